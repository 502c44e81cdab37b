"""Names of fits, as labels, folders and prefixes of metrics."""

import pytest

from digits.training.options import ALL_FOLDS, FitName


@pytest.mark.parametrize(
    ("name", "label", "folder", "metrics_prefix"),
    [
        (ALL_FOLDS, "all folds", "all-folds", "all_folds"),
        (FitName(fold=0), "fold 0", "fold-0", "fold_0"),
        (FitName(n_images=60), "60 images", "60-images", "60_images"),
        (FitName(fold=5, member="pixels"), "fold 5, pixels", "fold-5-pixels", "fold_5/pixels"),
        (
            FitName(member="deskewed_scattering"),
            "all folds, deskewed_scattering",
            "all-folds-deskewed_scattering",
            "all_folds/deskewed_scattering",
        ),
    ],
)
def test_a_name_is_the_same_everywhere(
    name: FitName, label: str, folder: str, metrics_prefix: str
) -> None:
    assert (name.label, name.folder, name.metrics_prefix) == (label, folder, metrics_prefix)
