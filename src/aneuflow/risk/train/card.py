"""The page that goes with a trained model: its card, its numbers, and the TRIPOD+AI checklist answered."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

NAMES = {
    "size": "size alone", "phases": "PHASES points", "logistic": "penalized logistic regression", "ebm": "explainable boosting",
    "boosting": "gradient boosting",
}  # fmt: skip


def model_card(content: Mapping[str, Any], outcome: Mapping[str, Any]) -> str:
    """The card in Markdown: what the model says and does not say, data, numbers, checklist."""
    table, best = outcome["table"], outcome["candidates"][outcome["shipped"]]
    lines = [
        f"# Model card: {content['id']}",
        "",
        f"Says {content['says']}. Research use; no treatment is recommended by it.",
        "",
        f"- Kind: {content['kind']}, penalty C = {content['penalty']:g}, {len(content['terms'])} answers; a JSON file.",
        f"- Trained on: {table.get('citation', 'a table')} ({table.get('license', 'license not stated')}).",
        f"- Setting: {table.get('setting', 'as the table states.')}",
        f"- Hash of the table's rows (SHA-256): {content['trained_on']['sha256']}.",
        f"- {table['cases']} aneurysms of {table['patients']} patients, {table['ruptured']} ruptured; "
        f"{table['rows_without_outcome']} rows without outcome left out; impossible values blanked: "
        f"{_pairs(table['impossible_values_blanked'])}.",
        f"- Missing: {_pairs(table['missing'])}. Unknown answers are set to the training rows' mean inside each fold; "
        "being unknown is no input.",
        f"- Made with aneuflow {content['aneuflow']}; {outcome['plan']['repeats']} x {outcome['plan']['folds']}-fold nested "
        f"cross-validation grouped by patient, seed {outcome['plan']['seed']}.",
        "",
        "## Side by side, on patients not trained on",
        "",
        "Intervals: 95 %, bootstrap of patients. Sensitivity at 90 % specificity and the reverse.",
        "",
        "| model | AUC | over size alone | sens. | spec. | calibration slope, intercept | calibration error | Brier |",
        "|---|---|---|---|---|---|---|---|",
        *(_row(name, result) for name, result in outcome["candidates"].items()),
        *(f"| {name.replace('_', ' ')} | not given: {why} | | | | | | |" for name, why in outcome["left_out"].items()),
        "",
        f"Simplest not worse than the best (95 %): {NAMES[outcome['simplest_not_worse']]}. "
        f"In the model file: {NAMES[outcome['shipped']]}.",
        "",
        "## One center left out at a time",
        "",
        *_centers(outcome["candidates"]),
        "",
        "## Calibration and decision curve of the model in the file",
        "",
        "| mean prediction | observed share | cases |",
        "|---|---|---|",
        *(f"| {p:.3f} | {o:.3f} | {n:.0f} |" for p, o, n in best["calibration_curve"]),
        "",
        "| threshold | net benefit of the model | of treating every one as ruptured-like |",
        "|---|---|---|",
        *(f"| {t:.2f} | {m:.3f} | {a:.3f} |" for t, m, a in best["decision_curve"]),
        "",
        "## Subgroups",
        "",
        "| group | cases | ruptured | AUC |",
        "|---|---|---|---|",
        *(f"| {g['group']} | {g['cases']} | {g['ruptured']} | {_interval(g)} |" for g in best["subgroups"]),
        "",
        "## TRIPOD+AI checklist",
        "",
        "Items of Collins et al., BMJ 2024;385:e078378, in our words.",
        "",
        "| item | asked | here |",
        "|---|---|---|",
        *_checklist(content, outcome),
        "",
    ]
    return "\n".join(lines)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "none"


def _interval(entry: Mapping[str, Any], key: str = "auc", digits: int = 3) -> str:
    return f"{entry[key]:.{digits}f} ({entry['low']:.{digits}f} to {entry['high']:.{digits}f})"


def _row(name: str, result: Mapping[str, Any]) -> str:
    over = _interval(result["over_size"], "difference") if "over_size" in result and name != "size" else ""
    cells = (
        NAMES[name],
        _interval(result),
        over,
        f"{result['sensitivity_at_90_specificity']:.2f}",
        f"{result['specificity_at_90_sensitivity']:.2f}",
        f"{result['calibration_slope']:.2f}, {result['calibration_intercept']:.2f}",
        f"{result['calibration_error']:.3f}",
        f"{result['brier']:.3f}",
    )
    return "| " + " | ".join(cells) + " |"


def _centers(results: Mapping[str, Any]) -> list[str]:
    if not any(result["centers"] for result in results.values()):
        return ["The table names one center only, so this cannot be reported."]
    lines = ["| model | center | cases | ruptured | AUC |", "|---|---|---|---|---|"]
    for name, result in results.items():
        for entry in result["centers"]:
            shown = "too few cases of a class" if entry["auc"] is None else _interval(entry)
            lines.append(f"| {NAMES[name]} | {entry['center']} | {entry['cases']} | {entry['ruptured']} | {shown} |")
    return lines


def _checklist(content: Mapping[str, Any], outcome: Mapping[str, Any]) -> list[str]:
    file = resources.files("aneuflow") / "data" / "risk" / "tripod-ai.toml"
    table = outcome["table"]
    values = {
        "id": content["id"],
        "citation": table.get("citation", "the user's table"),
        "setting": table.get("setting", "As the table states."),
        "answers": ", ".join(term["answer"] for term in content["terms"]),
        "ruptured": table["ruptured"],
        "columns": len(content["covariance"]),
        "share": f"{100 * table['ruptured_share']:.0f}",
    }
    items = tomllib.loads(file.read_text("utf-8"))["item"]
    return [f"| {item['number']} | {item['asked']} | {item['here'].format(**values)} |" for item in items]
