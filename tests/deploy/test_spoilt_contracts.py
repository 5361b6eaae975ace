"""Whatever a contract says, the command line says what is wrong with it, or shows it: no other error comes out."""

import json
import random

import pytest
from bundles import sealed
from fuzz import edited, spoilt

from wildrobot_eqx.cli import main
from wildrobot_eqx.deploy.bundle.contract import FILE

EDITS = 30  # of each seed


@pytest.mark.parametrize("seed", range(6))
def test_a_spoilt_contract_is_reported_or_shown(seed, hop_files, tmp_path, capsys):
    for name, data in hop_files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    rng, statuses = random.Random(seed), set()
    document = json.loads(hop_files[FILE])
    for i in range(EDITS):
        if rng.random() < 0.8:
            changed, what = edited(document, rng)
            data = sealed(changed)  # by somebody who puts its digest right
        else:
            data, what = spoilt(hop_files[FILE], rng)
        (tmp_path / FILE).write_bytes(data)
        command = ["play", "--seconds=0.1", "--no-ramp"] if i % 4 == 0 else ["bundle", "show"]
        status = main([*command, str(tmp_path)])
        out, err = capsys.readouterr()
        assert status in (0, 1, 2), what
        assert "Traceback" not in err, what
        assert out or "error: " in err, (what, err)
        statuses.add(status)
    assert statuses == {0, 1}
