"""Three hospitals as CSV files: which strategy helps the one with few labels?

    python examples/hospitals.py [FOLDER]

Writes hospital_a.csv, hospital_b.csv, hospital_c.csv and new_patients.csv (biopsies that come with scikit-learn) and compares. The
hospitals differ in the texture of the cell nuclei that they see, and hospital c has labels for 60 patients only.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer

import sterna


def write_hospitals(folder):
    """The files, by texture: a third of the patients each; of the last third 60 keep their label, 20 are kept for later."""
    table = load_breast_cancer(as_frame=True).frame
    table.columns = [column.replace(" ", "_") for column in table.columns]
    table["disease"] = np.where(table.pop("target") == 0, "malignant", "benign")
    a, b, c = (table.iloc[rows] for rows in np.array_split(np.argsort(table["mean_texture"].to_numpy(), kind="stable"), 3))
    c = c.sample(frac=1, random_state=0)
    new, c = c.iloc[:20], c.iloc[20:]
    c = c.assign(disease=c["disease"].where(np.arange(len(c)) < 60))  # empty in the file
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in {"hospital_a": a, "hospital_b": b, "hospital_c": c}.items():
        part.to_csv(folder / f"{name}.csv", index=False)
    new.drop(columns="disease").to_csv(folder / "new_patients.csv", index=False)


def main(folder):
    """Compare two strategies (leave `strategies` out for all that apply) and write the report."""
    write_hospitals(folder)
    files = [folder / f"hospital_{letter}.csv" for letter in "abc"]
    domains = sterna.Domains.from_files(source=files[:2], target=files[2], label="disease")
    comparison = sterna.compare(domains, strategies=["CORAL", "RuLSIF"], estimator="linear", n_repeats=1, n_jobs=1)
    print(domains)
    print(comparison.table()[["accuracy", "difference", "verdict", "adaptation_difference", "adaptation"]].round(3).to_string())
    print(comparison.verdict.sentence)
    print(comparison.adaptation.sentence)
    print(comparison.summary["best"]["reason"])
    comparison.to_html(folder / "report.html")
    print(f"report: {folder / 'report.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/hospitals"))
