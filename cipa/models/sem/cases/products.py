"""Products of observed variables, `y ~ x:z`: a column that is made from the data, as lavaan makes it, and said."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from cipa.data.dataset import Dataset, as_dataset
from cipa.models.sem.declare.declaration import Declaration
from cipa.results.fit import Notice


def with_products(declaration: Declaration, data: Any) -> tuple[Any, tuple[Notice, ...]]:
    """The data with the product columns that the model names, and what a reader must know of them.

    A product is missing where one of its variables is. Covariance input, and data that have the column, stay as they are.
    """
    if not declaration.products or not hasattr(data, "columns"):
        return data, ()
    dataset: Dataset = as_dataset(data)
    made = [name for name in declaration.products if name not in dataset.columns]
    made = [name for name in made if all(part in dataset.columns for part in name.split(":"))]  # else refused with its place
    columns = {name: np.prod([dataset.numeric([part])[:, 0] for part in name.split(":")], axis=0) for name in made}
    if not made:
        return data, ()
    return dataset.with_columns(columns), (Notice(code="product_column", values={"names": tuple(made)}),)


def label_notices(declaration: Declaration, data: Any) -> tuple[Notice, ...]:
    """A notice on labels that tie and define nothing and are columns of the data: `y ~ x*z` labels z, and is no product."""
    syntax = declaration.parsed
    labels = Counter(label for row in syntax.formulas for label in row.modifiers.label if label)
    used = {name for constraint in syntax.constraints for name in constraint.names}
    columns = {str(name) for name in getattr(data, "columns", ())}
    idle = tuple(label for label, count in labels.items() if count == 1 and label not in used and label in columns)
    return (Notice(code="label_is_column", values={"names": idle}, severity="warning"),) if idle else ()
