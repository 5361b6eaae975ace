"""A bundle that was corrupted, edited, made for another version or made up is refused, and the error says why."""

import io
import json
import resource
import zipfile

import jsonschema
import numpy as np
import onnx
import pytest
from bundles import opened, readings, regraphed, sealed, spliced, tampered

from wildrobot_eqx import WildRobotError
from wildrobot_eqx.deploy.bundle import archive
from wildrobot_eqx.deploy.bundle.archive import read_files, write_zip
from wildrobot_eqx.deploy.bundle.bundle import Bundle
from wildrobot_eqx.deploy.bundle.contract import FILE
from wildrobot_eqx.deploy.bundle.read import read_contract
from wildrobot_eqx.deploy.bundle.schema import contract_schema, violations
from wildrobot_eqx.deploy.player.player import Player
from wildrobot_eqx.deploy.proof.replay import replay


@pytest.fixture
def folder(tmp_path, hop_files):
    """A bundle's folder, to spoil."""
    for name, data in hop_files.items():
        path = tmp_path / "bundle" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "bundle"


@pytest.fixture
def packed(tmp_path, hop_files):
    """The same as a zip."""
    write_zip(hop_files, tmp_path / "bundle.zip")
    return tmp_path / "bundle.zip"


def test_a_folder_and_its_zip_are_one_bundle(folder, packed, hop_files):
    a, b = Bundle.open(folder), Bundle.open(packed)
    assert a.files == b.files == {name: data for name, data in hop_files.items() if name != FILE}
    assert a.contract.document == b.contract.document


def test_a_zip_depends_on_nothing_but_its_files(tmp_path, hop_files):
    for name, files in (("a", hop_files), ("b", dict(reversed(hop_files.items())))):
        write_zip(files, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_hidden_files_of_a_folder_are_passed_over(folder):
    (folder / ".DS_Store").write_bytes(b"x")
    Bundle.open(folder)


@pytest.mark.parametrize("name", ["policy.onnx", "golden.npz", "README.md", "robot/hopper.xml", "robot/robot.toml"])
def test_one_bit_of_any_file_matters(name, folder):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(WildRobotError, match=f"'{name}' is not the file that was exported") as caught:
        Bundle.open(folder)
    assert caught.value.exit_code == 1


def test_one_digit_of_the_contract_matters(folder):
    text = (folder / FILE).read_text()
    assert '"ramp_speed": 1.0' in text
    (folder / FILE).write_text(text.replace('"ramp_speed": 1.0', '"ramp_speed": 9.0', 1))
    with pytest.raises(WildRobotError, match="changed after it was written"):
        Bundle.open(folder)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "policy.onnx").unlink(), "lacks 'policy.onnx'"),
        (lambda f: (f / "extra.py").write_text("print()"), "holds 'extra.py', which its contract does not know"),
        (lambda f: (f / FILE).unlink(), "no policy bundle"),
        (lambda f: (f / FILE).write_bytes(b"\xff{"), "cannot be read"),
        (lambda f: (f / FILE).write_text("[]"), "no contract of a policy bundle"),
        (lambda f: (f / FILE).write_text("[" * 100_000), "cannot be read"),
        (lambda f: (f / "link").symlink_to("/etc/hostname"), "'link', which is no plain file"),
        (lambda f: (f / FILE).write_text((f / FILE).read_text()[:-200]), "cannot be read"),
    ],
)
def test_a_spoilt_folder_is_refused(spoil, message, folder):
    spoil(folder)
    with pytest.raises(WildRobotError, match=message):
        Bundle.open(folder)


def test_what_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(WildRobotError, match="There is no bundle") as caught:
        Bundle.open(tmp_path / "nowhere")
    assert caught.value.exit_code == 2
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(WildRobotError, match="cannot be read"):
        Bundle.open(tmp_path / "text.zip")


def test_a_truncated_zip_is_refused(packed):
    data = packed.read_bytes()
    packed.write_bytes(data[: len(data) // 2])
    with pytest.raises(WildRobotError, match="cannot be read"):
        Bundle.open(packed)
    for place in range(50, len(data), 7001):  # a flipped bit anywhere is found by one check or another
        packed.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        with pytest.raises(WildRobotError):
            Bundle.open(packed)


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "a/../../evil", "C:/evil", "a\\..\\evil", "a//b", "./a", "a/./b"]
)
def test_names_that_point_elsewhere_are_refused(name, tmp_path):
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(zipfile.ZipInfo(name), b"x")
    with pytest.raises(WildRobotError, match="points elsewhere"):
        read_files(path)
    assert [p.name for p in tmp_path.iterdir()] == ["evil.zip"]


def test_links_and_twins_in_a_zip_are_refused(tmp_path):
    link = zipfile.ZipInfo("policy.onnx")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as made:
        made.writestr(link, "/etc/passwd")
    with pytest.raises(WildRobotError, match="no plain file"):
        read_files(tmp_path / "link.zip")
    with zipfile.ZipFile(tmp_path / "twins.zip", "w") as made:
        made.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            made.writestr("a", b"2")
    with pytest.raises(WildRobotError, match="two files of the name 'a'"):
        read_files(tmp_path / "twins.zip")


def test_a_zip_that_unfolds_is_refused(tmp_path, monkeypatch):
    """Its members are counted as they unfold, whatever its directory says."""
    monkeypatch.setattr(archive, "MAX_FILE", 2**16)
    monkeypatch.setattr(archive, "MAX_TOTAL", 2**17)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("bomb", bytes(2**20))
    assert path.stat().st_size < 2**12
    with pytest.raises(WildRobotError, match="larger than a bundle may be"):
        read_files(path)
    with zipfile.ZipFile(path, "w") as made:
        for i in range(archive.MAX_FILES + 1):
            made.writestr(str(i), b"")
    with pytest.raises(WildRobotError, match="larger than a bundle may be"):
        read_files(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_packing_that_unfolds_at_once_is_refused(method, tmp_path):
    """A chunk of such a member has no bound: 1 kB unfolds to gigabytes."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", method) as made:
        made.writestr("bomb", bytes(2**20))
    with pytest.raises(WildRobotError, match="'bomb', packed in a way that no export packs"):
        read_files(path)


def test_a_long_list_of_files_is_never_parsed(tmp_path, monkeypatch):
    path = tmp_path / "long.zip"
    with zipfile.ZipFile(path, "w") as made:
        for i in range(archive.MAX_ENTRIES + 1):
            made.writestr(f"{i}/", b"")
    data = path.read_bytes()
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("it was parsed"))
    ends = {
        "honest": data,
        "a count of one": data[:-14] + b"\1\0\1\0" + data[-10:],  # found by the size of the list
        "64 bits": data[:-22] + b"PK\6\7" + bytes(16) + data[-22:],
    }
    monkeypatch.setattr(archive, "_MAX_DIRECTORY", 2**12)
    for end in ends.values():
        path.write_bytes(end)
        with pytest.raises(WildRobotError, match="larger than a bundle may be"):
            read_files(path)
    path.write_bytes(data[:-2] + b"\4\0PK\5\6")  # a comment, which may hold another end
    with pytest.raises(WildRobotError, match="does not end as a zip does"):
        read_files(path)


def test_a_crowded_folder_is_not_read_to_its_end(folder, monkeypatch):
    monkeypatch.setattr(archive, "MAX_ENTRIES", 20)
    (folder / ".cache").mkdir()
    for i in range(15):
        (folder / ".cache" / str(i)).touch()  # hidden, so nobody looks into it
    Bundle.open(folder)
    (folder / "cache").mkdir()
    for i in range(15):
        (folder / "cache" / f".{i}").touch()
    with pytest.raises(WildRobotError, match="larger than a bundle may be"):
        Bundle.open(folder)


def test_nothing_in_a_bundle_is_executable_or_pickled(packed):
    with zipfile.ZipFile(packed) as made:
        for member in made.infolist():
            assert member.external_attr >> 16 == 0o100644
            assert member.filename.rpartition(".")[2] in {"onnx", "json", "npz", "md", "toml", "xml"}
        inner = zipfile.ZipFile(io.BytesIO(made.read("golden.npz")))
    assert all(name.endswith(".npy") for name in inner.namelist())
    assert not any(inner.read(name)[128:130] == b"\x80\x04" for name in inner.namelist())


# --- the contract ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "hint"),
    [
        (1, "export the bundle anew"),
        (2, "export the bundle anew"),
        (4, "update wildrobot-eqx"),
        ("3", "update"),
        (True, "update"),
        (None, ""),
    ],
)
def test_another_version_is_refused(version, hint, hop_files):
    def change(document, files):
        document["version"] = version

    with pytest.raises(WildRobotError, match=r"has version .*, this player reads version 3") as caught:
        read_contract(tampered(hop_files, change)[FILE])
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"rate": ', '"rate": NaN, "was": ', "NaN, which is no number"),
        ('"rate": ', '"rate": -Infinity, "was": ', "-Infinity"),
        ('"rate": ', '"rate": 1e999, "was": ', "1e999, which is too large"),
        ('"rate": ', '"rate": 1e39, "was": ', "1e39, which is too large for a float32"),
        ('"rate": ', f'"rate": {10**400}, "was": ', "too large for a whole number"),
        ('"rate": ', f'"rate": {"9" * 5000}, "was": ', "cannot be read"),
        ('"delay": ', f'"delay": {2**63}, "was": ', "too large for a whole number"),
        ('"rate": ', '"rate": 50.0, "rate": ', "a key twice"),
    ],
)
def test_numbers_that_are_none_are_refused(old, new, message, hop_files):
    text = hop_files[FILE].decode()
    assert old in text
    with pytest.raises(WildRobotError, match=message):
        read_contract(text.replace(old, new, 1).encode())


def _set(*path_and_value):
    *path, last, value = path_and_value

    def change(document):
        for key in path:
            document = document[key]
        document[last] = value

    return change


def _drop(*path):
    *path, last = path

    def change(document):
        for key in path:
            document = document[key]
        del document[last]

    return change


STRUCTURE = {
    "joint without a name": _drop("joints", 0, "name"),
    "no joints": _set("joints", []),
    "unknown key": _set("joints", 0, "colour", "red"),
    "text for a number": _set("joints", 0, "home", "0.3"),
    "truth for a number": _set("joints", 0, "home", True),
    "period of zero": _set("control", "dt", 0.0),
    "kind of text": _set("observation", 0, "kind", 3),
    "unknown actuator": _set("joints", 0, "target", "kind", "muscle"),
    "joint without a target": _drop("joints", 0, "target"),
    "target without a rest": _drop("joints", 0, "target", "rest"),
    "target that never changes": _set("joints", 0, "target", "speed", 0.0),
    "unknown unit": _set("joints", 0, "unit", "degrees"),
    "encoder of a number": _set("encoders", [3]),
    "channel without an end": _drop("command", "channels", 0, "high"),
    "channel of text": _set("command", "channels", 0, "low", "slow"),
    "no inputs": _set("policy", "inputs", []),
    "input of nothing": _set("policy", "inputs", 0, "size", 0),
    "state of another kind": _set("policy", "state", 0, "kind", "dream"),
    "unknown sensor": _set("sensors", 0, "kind", "camera"),
    "negative delay": _set("controller", "delay", -1),
    "delay of hours": _set("controller", "delay", 10**6),
    "index of billions": _set("observation", 0, "stop", 10**10),
    "state of billions": _set("policy", "state", [{"kind": "memory", "input": "a", "output": "b", "shape": [10**10]}]),
    "step without end": _set("simulation", "timestep", 1e-12),
    "ramp without end": _set("safety", "ramp_speed", 1e-30),
    "half a delay": _set("controller", "delay", 0.5),
    "tilt of text": _set("safety", "tilt", "sensor"),
    "hash of nothing": _set("files", "policy.onnx", "sha256", "abc"),
    "no policy": _drop("policy"),
    "simulation of text": _set("simulation", "hopper"),
    "up of two numbers": _set("safety", "tilt", "upright", [0.0, 1.0]),
    "empty name": _set("policy", "inputs", 0, "name", ""),
    "gate without a verdict": _set("gate", {"lines": []}),
    "one constant of text": _set("observation", 0, "constants", "home", "x"),
}


@pytest.mark.parametrize("what", STRUCTURE)
def test_our_validator_agrees_with_the_reference(what, hop_files):
    document = json.loads(hop_files[FILE])
    reference = jsonschema.Draft202012Validator(contract_schema())
    assert violations(document, contract_schema()) == []
    assert reference.is_valid(document)
    STRUCTURE[what](document)
    assert not reference.is_valid(document)
    assert violations(document, contract_schema())
    with pytest.raises(WildRobotError, match="does not fit its schema"):
        read_contract(sealed(document))


def test_the_schema_is_one_and_travels_along(hop_files):
    jsonschema.Draft202012Validator.check_schema(contract_schema())
    assert json.loads(hop_files["contract.schema.json"]) == contract_schema()


def test_a_keyword_that_we_do_not_know_is_no_schema_of_ours():
    with pytest.raises(ValueError, match="oneOf"):
        violations({}, {"oneOf": []})


def _channel_twice(document):
    channels = document["command"]["channels"]
    channels.append(channels[0])
    document["policy"]["inputs"][0]["size"] = 2


NONSENSE = {
    "rate": (_set("control", "rate", 60.0), "a rate of 60.0 Hz"),
    "twins": (_set("joints", 1, "name", "hip_pitch"), "a joint is named twice"),
    "home": (_set("joints", 0, "home", 9.0), "home of joint 'hip_pitch' lies outside"),
    "encoder": (_set("encoders", [{"name": "hip_pitch", "unit": "rad"}]), "a joint is named twice"),
    "rest": (_set("joints", 0, "target", "rest", 9.0), "target at rest of joint 'hip_pitch' lies outside"),
    "no range": (
        lambda d: d["joints"][0]["target"].update(low=0.4, high=0.4, rest=0.4),
        "target at rest of joint 'hip_pitch' lies outside",
    ),
    "pose": (_set("safety", "pose", [0.4, 0.8]), "safety.pose has 2 numbers for 3 joints"),
    "far pose": (_set("safety", "pose", [0.4, 0.8, 7.0]), "safe pose lies outside"),
    "input": (_set("policy", "inputs", 1, "size", 2), "reads 2 numbers as 'joint_positions', of which there are 3"),
    "other input": (_set("policy", "inputs", 1, "name", "sensor.lidar"), "as 'sensor.lidar', of which there are 0"),
    "input twice": (_set("policy", "inputs", 2, "name", "joint_positions"), "input of the policy is named twice"),
    "unread": (_set("sensors", 1, "required", False), "as 'sensor.torso_imu_gyro', of which there are 0"),
    "quaternion": (_set("sensors", 0, "order", "xyz"), "'torso_imu_quat' has 4 numbers in the order xyz"),
    "size": (_set("sensors", 1, "size", 4), "gyro sensor 'torso_imu_gyro' has 4 numbers"),
    "place": (_set("observation", 1, "start", 4), "lies at 4:6, not from 3 on"),
    "length": (_set("policy", "observation_size", 99), "an observation of 99"),
    "compass": (_set("safety", "tilt", "sensor", "torso_imu_gyro"), "tilt is read from a sensor that is no orient"),
    "no compass": (_set("safety", "tilt", "sensor", "nose"), "tilt is read from a sensor that is no orientation"),
    "output": (_set("policy", "state", 0, "output", "target"), "inputs and outputs share a name"),
    "memory": (
        lambda d: d["policy"]["state"].append({"kind": "memory", "input": "a", "output": "b", "shape": [2**20, 2**20]}),
        "hands on 1099511627776 numbers as 'a'",
    ),
    "channel": (_set("command", "channels", 0, "low", 9.0), "range of the commanded 'lin_vel_x' is empty"),
    "rest of a channel": (_set("command", "channels", 0, "rest", 9.0), "'lin_vel_x' is empty, or does not hold"),
    "lost channel": (lambda d: d["command"]["channels"].clear(), "1 numbers as 'command', of which there are 0"),
    "channel twice": (_channel_twice, "two channels share a name"),
    "owner of a channel": (_set("command", "channels", 0, "command", "dance"), "belongs to 'dance', which is no"),
}  # fmt: skip


@pytest.mark.parametrize("what", NONSENSE)
def test_a_contract_that_contradicts_itself_is_refused(what, hop_files):
    change, message = NONSENSE[what]
    document = json.loads(hop_files[FILE])
    change(document)
    with pytest.raises(WildRobotError, match=f"contradicts itself: .*{message}"):
        read_contract(sealed(document))


# --- golden vectors and policies ---------------------------------------------------------------------------


def _npz(**arrays):
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    return packed.getvalue()


def _header(text: str) -> bytes:
    """An .npz of one array whose header promises more than there is."""
    packed = io.BytesIO()
    line = text.encode().ljust(117) + b"\n"
    with zipfile.ZipFile(packed, "w") as made:
        made.writestr("time.npy", b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + bytes(64))
    return packed.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        _npz(time=np.array([object()], object)),
        _npz(time=np.array(["a"])),
        _npz(time=np.array([1j])),
        _header("{'descr': '<f4', 'fortran_order': False, 'shape': (40000000000,)}"),
        _header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"),
        _header("{'descr': '<f4', 'fortran_order': False, 'shape': __import__('os').getpid()}"),
        _header("{" * 100),
    ],
)
def test_golden_vectors_that_are_none_are_refused(data, hop_files):
    bundle = opened(tampered(hop_files, lambda document, files: files.update({"golden.npz": data})))
    with pytest.raises(WildRobotError) as caught:
        bundle.golden()
    assert "golden.npz" in caught.value.where


def test_spoilt_bytes_of_golden_vectors_are_refused(hop_files):
    """Wherever they are: in a header, in what is packed, in the list of arrays."""
    data = hop_files["golden.npz"]
    refused = 0
    for place in range(0, len(data), len(data) // 60):
        spoilt = data[:place] + bytes([data[place] ^ 0x5A]) + data[place + 1 :]
        bundle = Bundle(opened(hop_files).contract, {"golden.npz": spoilt}, "bundle")
        try:
            bundle.golden()
        except WildRobotError:
            refused += 1
    assert refused > 40  # what is left is a byte that nobody reads, such as a date


@pytest.mark.parametrize("numbers", [40_000_000_000, 400_000_000])
def test_a_policy_that_asks_for_gigabytes_gives_up(numbers, hop_files):
    """Its file is small, its shapes are not: no memory is taken, and the robot goes to its safe pose."""
    node = onnx.helper.make_node
    nodes = [
        node("ReduceMean", ["own"], ["mean"], keepdims=0),
        node("Expand", ["mean", "spliced.shape"], ["large"]),
        node("ReduceSum", ["large"], ["sum"], keepdims=0),
        node("Expand", ["sum", "spliced.three"], ["action"]),
    ]
    shapes = [
        onnx.numpy_helper.from_array(np.array(shape, np.int64), name)
        for name, shape in (("spliced.shape", [numbers]), ("spliced.three", [1, 3]))
    ]
    bundle = opened(tampered(hop_files, regraphed(spliced("action", nodes, *shapes))))
    player = Player(bundle)
    player.start(ramp=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step = player.step(readings(player, 0))
    assert step.mode == "safe"
    assert "the policy cannot be computed" in step.fault
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 2**20  # kB
    assert not replay(bundle).passed


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/hostname"])
def test_a_policy_reads_no_other_file(location, hop_files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(bytes(12))
    weights = onnx.helper.make_tensor("foreign", 1, [1, 3], bytes(12), raw=True)
    onnx.external_data_helper.set_external_data(weights, location)
    weights.ClearField("raw_data")
    node = onnx.helper.make_node("Constant", [], ["foreign"], value=weights)  # no initializer: an attribute
    bundle = opened(tampered(hop_files, regraphed(lambda graph: graph.node.append(node))))
    with pytest.raises(WildRobotError, match="tensors in another file") as caught:
        Player(bundle)
    assert "policy.onnx" in caught.value.where
