"""How accurate the solver is: exact problems, references and experiments, each run by itself and judged against its gates."""
