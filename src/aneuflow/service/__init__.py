"""The system: accounts, worklist, storage and computing behind one HTTP API, and the terminal in the browser. No science."""
