"""Made summaries in the form that a run writes, one for each of the three situations."""

from __future__ import annotations

import hashlib

import numpy as np


def estimate(mean, half):
    return {"mean": mean, "low": mean - half, "high": mean + half}


def word_of(difference):
    if difference is None:
        return None
    return "helps" if difference["low"] > 0 else "hurts" if difference["high"] < 0 else "no evidence"


def spelled(difference):
    mean, low, high = (100 * difference[key] for key in ("mean", "low", "high"))
    return f"{mean:+.1f} points accuracy, 95 % interval {low:+.1f} to {high:+.1f}"


def domain(name, role, n_rows, n_labelled, classes=None, label_summary=None, n_features=12):
    return {
        "name": name,
        "role": role,
        "n_rows": n_rows,
        "n_labelled": n_labelled,
        "n_features": n_features,
        "classes": classes,
        "label_summary": label_summary,
        "fingerprint": hashlib.sha256(name.encode("utf-8", "replace")).hexdigest(),
    }


def strategy(name, family, mean=None, half=0.021, difference=None, adaptation=None, seconds=0.4, peak_mb=8.0, **more):
    return {
        "name": name,
        "family": family,
        **(estimate(mean, half) if mean is not None else {"mean": None, "low": None, "high": None}),
        "difference": difference,
        "verdict": word_of(difference),
        "adaptation_difference": adaptation,
        "adaptation": word_of(adaptation),
        "seconds": seconds,
        "peak_mb": peak_mb,
        "health": {},
        "warnings": [],
        "label_free": None,
        "reason": None,
        **more,
    }


def protocol(**changes):
    return {
        "n_splits": 5,
        "n_repeats": 5,
        "n_cells": 425,
        "random_state": 0,
        "estimator": "LogisticRegression(max_iter=1000)",
        "estimator_reason": "the default for classes when none is named",
        "preprocessing": "numbers scaled to mean 0 and standard deviation 1 and categories one-hot, fitted in each split on its training rows",
        "seconds": 33.1,
        "completed_splits": 25,
        "planned_splits": 25,
        "stopped": None,
        **changes,
    }


REPRODUCE = {
    "command": "sterna compare --source hospital_a.csv --source hospital_b.csv --target hospital_c.csv --label readmitted --seed 0",
    "python": None,
    "versions": {
        "sterna": "0.1.0.dev0",
        "python": "3.11.9",
        "numpy": "2.4.6",
        "scipy": "1.16.1",
        "scikit-learn": "1.8.0",
        "POT": "0.9.7",
    },
    "platform": "Linux-6.1-x86_64, 2 cores",
}


def columns(n, seed=0, names=None):
    """Drift of made columns, a fifth of them drifted."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        drifted = i % 5 == 1
        statistic = float(rng.uniform(0.18, 0.52) if drifted else rng.uniform(0.01, 0.09))
        mean = float(rng.normal(scale=40))
        rows.append(
            {
                "column": names[i] if names else f"x{i}",
                "kind": "categorical" if i % 4 == 3 else "numeric",
                "statistic": statistic,
                "p_value": 1e-6 if drifted else 0.31,
                "q_value": 1e-5 if drifted else 0.48,
                "drifted": drifted,
                "source_mean": None if i % 4 == 3 else mean,
                "target_mean": None if i % 4 == 3 else mean + (12.0 if drifted else 0.4),
            }
        )
    return rows


def places(names, n=180, seed=1):
    rng = np.random.default_rng(seed)
    shifts = [(-1.2, 0.3), (-0.2, -0.8), (1.3, 0.4), (0.2, 1.5), (2.0, -1.2)]
    out = []
    for name, (x, y) in zip(names, shifts, strict=False):
        points = rng.normal(size=(n, 2)) * [1.5, 0.9] + [x, y]
        out.append({"domain": name, "x": points[:, 0].round(4).tolist(), "y": points[:, 1].round(4).tolist()})
    return out


HOSPITAL_COLUMNS = ["age", "creatinine", "length_of_stay_days", "ward", "haemoglobin", "sodium"]
HOSPITAL_COLUMNS += [
    "number_of_earlier_admissions",
    "admission_type",
    "systolic_blood_pressure",
    "heart_rate",
    "glucose",
    "discharged_to",
]


def few_labels():
    """Hospitals: classes, 140 target labels, the source helps, and one adaptation strategy helps further."""
    rng = np.random.default_rng(7)
    plain = {"TargetOnly": 0.846, "SourceOnly": 0.803, "Pooled": 0.879, "Constant": 0.612}
    rows = [
        strategy("TargetOnly", "baselines", plain["TargetOnly"], 0.024, seconds=0.04, peak_mb=1.2),
        strategy("SourceOnly", "baselines", plain["SourceOnly"], 0.022, estimate(-0.043, 0.029), seconds=0.05, peak_mb=1.3),
        strategy("Pooled", "baselines", plain["Pooled"], 0.019, estimate(0.033, 0.021), seconds=0.06, peak_mb=1.5),
        strategy("Constant", "baselines", plain["Constant"], 0.008, None, seconds=0.01, peak_mb=0.4),
    ]
    made = [
        ("CORAL", "align", 0.910, 0.4, {"covariance_distance": 0.0312}),
        ("SubspaceAlignment", "align", 0.874, 0.5, {"n_components": 8, "explained_variance": 0.913}),
        ("TCA", "align", 0.862, 3.1, {"n_components": 10}),
        ("FeatureAugmentation", "align", 0.893, 0.3, {}),
        ("KMM", "reweight", 0.884, 2.2, {"effective_sample_size": 231.2, "converged": True}),
        ("KLIEP", "reweight", 0.881, 0.9, {"effective_sample_size": 402.0, "converged": True}),
        ("RuLSIF", "reweight", 0.877, 0.6, {"effective_sample_size": 377.5}),
        ("TrAdaBoost", "reweight", 0.795, 1.4, {"effective_sample_size": 11.4, "n_rounds": 10}),
        ("OTMapping", "transport", 0.889, 4.8, {"transported_mass": 1.0, "converged": True}),
        ("JDOT", "transport", 0.868, 9.7, {"converged": False}),
        ("PriorRidge", "parameters", 0.901, 0.2, {"prior_strength": 3.7}),
    ]
    for name, family, mean, took, health in made:
        difference = estimate(mean - plain["TargetOnly"], float(rng.uniform(0.02, 0.036)))
        adaptation = estimate(mean - plain["Pooled"], float(rng.uniform(0.016, 0.03)))
        rows.append(strategy(name, family, mean, 0.02, difference, adaptation, took, 6 + 9 * took, health=health))
    rows[11]["warnings"] = [
        "all weight is on 11 of 1200 source rows; lower n_estimators, or use KMM, which bounds the weights",
    ]
    rows[13]["warnings"] = ["not converged after 100 iterations; raise max_iter"]
    rows.append(
        strategy(
            "JCPOT",
            "transport",
            reason="label shares differ by less than chance, which is what it corrects",
            seconds=None,
            peak_mb=None,
        )
    )
    rows.append(strategy("GFK", "align", reason="needs at least 24 columns, these data have 12", seconds=None, peak_mb=None))
    best = rows[4]
    budgets = [10, 20, 40, 80, 112]
    curve = []
    for budget in budgets:
        shrink = 1 / np.sqrt(budget)
        scores = {
            "TargetOnly": estimate(0.87 - 0.55 * shrink, 0.22 * shrink),
            "Pooled": estimate(0.885 - 0.12 * shrink, 0.12 * shrink),
            "CORAL": estimate(0.915 - 0.11 * shrink, 0.12 * shrink),
            "SourceOnly": estimate(0.803, 0.02),
        }
        gains = {
            name: estimate(scores[name]["mean"] - scores["TargetOnly"]["mean"], 0.18 * shrink)
            for name in ("Pooled", "CORAL", "SourceOnly")
        }
        curve.append(
            {
                "budget": budget,
                "strategies": scores,
                "differences": {name: {**gain, "verdict": word_of(gain)} for name, gain in gains.items()},
            }
        )
    return {
        "sterna": "0.1.0.dev0",
        "title": "hospital_c from hospital_a, hospital_b",
        "task": "classification",
        "metric": {"name": "accuracy", "greater_is_better": True, "unit": "share of rows"},
        "situation": {
            "name": "inductive",
            "label_space": "same",
            "feature_space": "same",
            "sentence": "The target has 140 labelled rows of 500, and both sources are fully labelled; labels and columns are the same everywhere.",
        },
        "domains": [
            domain("hospital_a", "source", 800, 800, {"no": 518, "yes": 282}),
            domain("hospital_b", "source", 400, 400, {"no": 231, "yes": 169}),
            domain("hospital_c", "target", 500, 140, {"no": 86, "yes": 54}),
        ],
        "findings": [
            {
                "code": "scale",
                "domain": "hospital_b",
                "column": "creatinine",
                "message": "its median is 88 times that of hospital_a: the unit may differ (mg/dl against \u00b5mol/l).",
            },
            {"code": "category", "domain": "hospital_c", "column": "ward", "message": "3 categories occur in no source."},
        ],
        "verdict": {
            "word": "helps",
            "sentence": f"Using the source helps: CORAL beats the target's own labels alone by {spelled(best['difference'])}.",
            "control": "TargetOnly",
            "strategy": "CORAL",
            "difference": best["difference"],
        },
        "adaptation": {
            "word": "helps",
            "sentence": f"Adapting helps: CORAL beats the best plain baseline (mostly Pooled) by {spelled(best['adaptation_difference'])}.",
            "control": "Pooled",
            "strategy": "CORAL",
            "difference": best["adaptation_difference"],
        },
        "best": {
            "name": "CORAL",
            **estimate(0.910, 0.02),
            "reason": "it is the best of the strategies that beat the best plain baseline",
        },
        "baselines": {name: estimate(mean, 0.02) for name, mean in plain.items()},
        "strategies": rows,
        "confidence": 0.95,
        "n_comparisons": 13,
        "correction": "Differences are paired over 25 splits; their intervals hold for all 13 comparisons at once "
        "(max-t over the correlated differences) and are widened because splits share training rows.",
        "protocol": protocol(),
        "power": {
            "sentence": "With 140 labelled target rows a difference of about 2.6 points could have been shown.",
            "n_labels": 140,
            "smallest_difference": 0.026,
            "curve": [{"n_labels": n, "detectable": 0.31 / n**0.5} for n in (50, 100, 200, 400, 800)],
        },
        "learning_curve": curve,
        "confusion": {
            "classes": ["no", "yes"],
            "models": {"TargetOnly": [[374, 56], [52, 218]], "CORAL": [[402, 28], [35, 235]]},
        },
        "measure": {
            "classifier_auc": estimate(0.83, 0.03),
            "mmd": {"value": 0.041, "p_value": 0.0005},
            "effective_sample_size": {"value": 210.3, "share": 0.175},
            "drift": columns(12, names=HOSPITAL_COLUMNS),
            "label_shift": {"p_value": 0.21, "source": {"no": 0.624, "yes": 0.376}, "target": {"no": 0.614, "yes": 0.386}},
            "map": places(["hospital_a", "hospital_b", "hospital_c"]),
            "map_axes": "First two principal components of the standardised columns of all domains",
            "kind": ["covariate"],
            "sentences": ["The columns of source and target differ clearly; the shares of the classes do not."],
        },
        "use": {
            "python": 'import pandas as pd\nimport sterna\n\nmodel = sterna.load("runs/hospital_c/model")\n'
            'model.predict(pd.read_csv("new_patients.csv"))',
            "shell": "sterna predict runs/hospital_c/model new_patients.csv --output predictions.csv",
        },
        "reproduce": REPRODUCE,
    }


def regression():
    """Spectra: rmse, the source hurts where it is pooled, no strategy gains, and the run stopped early."""
    rng = np.random.default_rng(11)
    alone = 0.1482
    rows = [
        strategy("TargetOnly", "baselines", alone, 0.011, seconds=0.02, peak_mb=3.0),
        strategy("SourceOnly", "baselines", 0.9120, 0.041, estimate(alone - 0.9120, 0.046), seconds=0.03, peak_mb=3.1),
        strategy("Pooled", "baselines", 0.1931, 0.014, estimate(alone - 0.1931, 0.019), seconds=0.03, peak_mb=4.4),
        strategy("Constant", "baselines", 0.3790, 0.021, None, seconds=0.01, peak_mb=0.2),
    ]
    for name, family, mean in (
        ("CORAL", "align", 0.1840),
        ("FeatureAugmentation", "align", 0.1466),
        ("PriorRidge", "parameters", 0.1441),
        ("TwoStageTrAdaBoostR2", "reweight", 0.1523),
        ("OTMapping", "transport", 0.2210),
    ):
        difference = estimate(alone - mean, float(rng.uniform(0.008, 0.014)))
        rows.append(strategy(name, family, mean, 0.012, difference, estimate(0.1474 - mean, 0.012), 0.7, 31.0))
    rows.append(
        strategy("TCA", "align", reason="failed in 3 of 18 splits: the kernel matrix has rank 2", seconds=None, peak_mb=None)
    )
    return {
        "sterna": "0.1.0.dev0",
        "title": "mp6 from m5",
        "task": "regression",
        "metric": {"name": "rmse", "greater_is_better": False, "unit": "units of the label"},
        "situation": {"name": "inductive", "label_space": "same", "feature_space": "same", "sentence": None},
        "domains": [
            domain(
                "m5", "source", 80, 80, label_summary={"mean": 10.23, "std": 0.381, "min": 9.377, "max": 10.993}, n_features=700
            ),
            domain(
                "mp6", "target", 80, 40, label_summary={"mean": 10.21, "std": 0.379, "min": 9.41, "max": 10.98}, n_features=700
            ),
        ],
        "findings": [
            {"code": "constant", "domain": "m5", "column": f"wavelength_{1100 + 2 * i}", "message": "the column is constant."}
            for i in range(31)
        ],
        "verdict": {
            "word": "hurts",
            "sentence": "Using the source hurts (negative transfer): no strategy gains, and Pooled loses -0.0449 rmse, "
            "95 % interval -0.0639 to -0.0259. Train on the target alone.",
            "control": "TargetOnly",
            "strategy": "Pooled",
            "difference": estimate(alone - 0.1931, 0.019),
        },
        "adaptation": {
            "word": "no evidence",
            "sentence": "There is no evidence that adapting helps: the best, PriorRidge, differs from the best "
            "plain baseline (mostly TargetOnly) by +0.0033 rmse.",
            "control": "TargetOnly",
            "strategy": "PriorRidge",
            "difference": estimate(0.0033, 0.012),
        },
        "best": {
            "name": "TargetOnly",
            **estimate(alone, 0.011),
            "reason": "no strategy is shown to do better, and it was most often the best plain baseline within the adaptation parts",
        },
        "baselines": {
            "TargetOnly": estimate(alone, 0.011),
            "SourceOnly": estimate(0.912, 0.041),
            "Pooled": estimate(0.1931, 0.014),
            "Constant": estimate(0.379, 0.021),
        },
        "strategies": rows,
        "confidence": 0.95,
        "n_comparisons": 8,
        "correction": "Differences are paired over 18 splits; their intervals hold for all 8 comparisons at once.",
        "protocol": protocol(
            estimator="Ridge()",
            estimator_reason="the default for numbers when none is named",
            n_cells=162,
            completed_splits=18,
            planned_splits=25,
            seconds=604.0,
            stopped="The time limit of 600 s was reached after 18 of 25 splits; the rest was not run.",
        ),
        "power": {
            "sentence": "With 40 labelled target rows a difference of about 0.011 could have been shown.",
            "n_labels": 40,
            "smallest_difference": 0.011,
            "curve": [],
        },
        "learning_curve": None,
        "confusion": None,
        "measure": {
            "classifier_auc": estimate(0.997, 0.003),
            "mmd": {"value": 0.62, "p_value": 0.0005},
            "effective_sample_size": {"value": 3.1, "share": 0.039},
            "drift": columns(700, names=[f"wavelength_{1100 + 2 * i}" for i in range(700)]),
            "label_shift": None,
            "map": places(["m5", "mp6"], n=80),
            "map_axes": "first two principal components of the standardised columns of all domains",
            "kind": ["covariate", "concept"],
            "sentences": ["The two instruments can be told apart from nearly every spectrum."],
        },
        "use": {"python": 'import sterna\n\nmodel = sterna.load("runs/mp6/model")\nmodel.predict(X_new)', "shell": None},
        "reproduce": {
            **REPRODUCE,
            "command": "sterna compare --source m5.csv --target mp6.csv --label moisture",
            "python": 'sterna.compare(domains, metric="rmse", random_state=0)',
        },
    }


def unsupervised():
    """Cameras: no target label at all, so nothing is proven; scores without labels only."""
    rng = np.random.default_rng(5)
    rows = []
    for name, family, took in (
        ("SourceOnly", "baselines", 0.06),
        ("Constant", "baselines", 0.01),
        ("CORAL", "align", 0.5),
        ("SubspaceAlignment", "align", 0.6),
        ("TCA", "align", 3.9),
        ("KMM", "reweight", 2.4),
        ("OTMapping", "transport", 5.1),
        ("JDOT", "transport", 9.9),
    ):
        scores = {
            "importance_weighted": float(rng.uniform(0.6, 0.85)),
            "deep_embedded": float(rng.uniform(0.5, 0.8)),
            "soft_neighborhood_density": float(rng.uniform(2, 4)),
            "prediction_entropy": float(-rng.uniform(0.2, 0.9)),
        }
        if name == "Constant":
            scores["soft_neighborhood_density"] = None
        rows.append(
            strategy(
                name,
                family,
                seconds=took,
                peak_mb=5 + 8 * took,
                verdict="unproven",
                label_free=scores,
                health={"converged": True} if took > 2 else {},
            )
        )
    rows[-1]["warnings"] = ["predictions have collapsed onto 2 of 10 classes; lower alpha or use CORAL"]
    why = {"reason": "the target has no labelled row", "seconds": None, "peak_mb": None}
    rows += [strategy(name, "baselines", **why) for name in ("TargetOnly", "Pooled")]
    classes = ["back_pack", "bike", "calculator", "headphones", "keyboard", "laptop", "monitor", "mouse", "mug", "projector"]
    counts = rng.integers(60, 140, size=10).tolist()
    nothing = {"mean": None, "low": None, "high": None}
    return {
        "sterna": "0.1.0.dev0",
        "title": "webcam from amazon",
        "task": "classification",
        "metric": {"name": "accuracy", "greater_is_better": True, "unit": "share of rows"},
        "situation": {
            "name": "unsupervised",
            "label_space": "same",
            "feature_space": "same",
            "sentence": "The target has no labelled row: strategies can be run, but not judged.",
        },
        "domains": [
            domain("amazon", "source", 958, 958, dict(zip(classes, counts, strict=True)), n_features=800),
            domain("webcam", "target", 295, 0, None, n_features=800),
        ],
        "findings": [],
        "verdict": {
            "word": "unproven",
            "sentence": "Without labelled target rows nobody can say whether the source helps. Label some rows and run again.",
            "control": "TargetOnly",
            "strategy": None,
            "difference": None,
        },
        "adaptation": {
            "word": "unproven",
            "sentence": "Without labelled target rows no strategy can be compared with a plain baseline.",
            "control": "SourceOnly",
            "strategy": None,
            "difference": None,
        },
        "best": {
            "name": "CORAL",
            **nothing,
            "reason": "it has the best rank over the label-free scores among strategies whose predictions did not collapse",
        },
        "baselines": {"TargetOnly": nothing, "SourceOnly": nothing, "Pooled": nothing, "Constant": nothing},
        "strategies": rows,
        "confidence": 0.95,
        "n_comparisons": 0,
        "correction": "No interval was made: there is no labelled target row to judge on.",
        "protocol": protocol(
            n_splits=None, n_repeats=None, n_cells=8, completed_splits=None, planned_splits=None, seconds=24.0
        ),
        "power": {
            "sentence": "About 140 labelled target rows, drawn at random, would show a difference of 5 points; 60 would show one of 8.",
            "n_labels": 0,
            "smallest_difference": None,
            "curve": [{"n_labels": n, "detectable": 0.6 / n**0.5} for n in (30, 60, 140, 300)],
        },
        "learning_curve": None,
        "confusion": None,
        "measure": {
            "classifier_auc": estimate(0.96, 0.01),
            "mmd": {"value": 0.113, "p_value": 0.001},
            "effective_sample_size": {"value": 88.0, "share": 0.092},
            "drift": columns(800, seed=3),
            "label_shift": {
                "p_value": None,
                "source": dict(zip(classes, (np.array(counts) / sum(counts)).tolist(), strict=True)),
                "target": {name: float(p) for name, p in zip(classes, rng.dirichlet(np.full(10, 20.0)), strict=True)},
            },
            "map": places(["amazon", "webcam"], seed=4),
            "map_axes": "First two principal components of the standardised columns of both domains",
            "kind": ["covariate", "label"],
            "sentences": [
                "Pictures of the two cameras are told apart almost always.",
                "The shares of the classes in the target are estimates: it has no labels.",
            ],
        },
        "use": {
            "python": 'import sterna\n\nmodel = sterna.load("runs/webcam/model")\nmodel.predict(X_new)',
            "shell": "sterna predict runs/webcam/model new.csv",
        },
        "reproduce": {**REPRODUCE, "command": "sterna compare --source amazon.csv --target webcam.csv"},
    }
