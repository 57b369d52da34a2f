from __future__ import annotations

import pytest

from cfld.build import CONDITIONERS
from cfld.pipeline import BUNDLED
from cfld.reproduction.scales import SCALES


@pytest.mark.parametrize("name", SCALES)
def test_scales_are_complete(name: str) -> None:
    """Presets that train the method, a known conditioner for B2, a bundled VAE, and at least two test pairs."""
    scale = SCALES[name]
    assert scale.ours().model.conditioner_class == "Conditioner"
    assert scale.clip in CONDITIONERS
    assert scale.vae is None or (BUNDLED / scale.vae / "vae").is_dir()
    assert scale.test_set is None or (scale.test_set.identities >= 5 and scale.test_set.poses >= 2)
    assert (scale.base is None) == (scale.test_set is None)
