"""The registered model's code: MLflow runs this file when somebody loads the model.

`mlflow.pyfunc.load_model("models:/recommender-<placement>@champion")` reads the artefacts, which
are data only, and answers `predict(DataFrame[user_id], params={"k": 10})` with lists.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from pipelines.registry.bundle import load_placement


class PlacementLists(PythonModel):
    """MLflow model of a placement: lists for a frame of user ids."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the placement from the model's artefacts."""
        self.bundle = load_placement(Path(context.artifacts["placement"]))

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Rank items for the users of a frame.

        Parameters
        ----------
        context : PythonModelContext
        model_input : DataFrame
            One row per user_id.
        params : dict, optional
            ``k``, the longest list.

        Returns
        -------
        DataFrame
            One row per user_id and rank: item_id, score, strategy, reason.
        """
        k = int((params or {}).get("k", self.bundle.rules.list_length))
        return self.bundle.recommend(model_input["user_id"].tolist(), k)


set_model(PlacementLists())
