// Where the page lies: at the root of a server, or in the secret folder of `aneuflow edit`.
const BASE = location.pathname.replace(/\/[^/]*$/, "");

export const address = (path: string) => BASE + path;
