import pytest

from portraitnet.benchmarks.latency.energy import EnergyMeter


def zone(root, name, microjoules, limit=1_000_000):
    folder = root / name
    folder.mkdir()
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")
    return folder / "energy_uj"


def test_packages_are_added_and_their_parts_are_not_counted_twice(tmp_path):
    counters = [zone(tmp_path, name, 100) for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0:0")]
    meter = EnergyMeter(tmp_path)
    assert meter.readable

    def work():
        for counter in counters:
            counter.write_text("200100")

    assert meter.joules(work) == pytest.approx(0.4)


def test_a_counter_that_began_again_is_followed(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", 900_000, limit=1_000_000)
    assert EnergyMeter(tmp_path).joules(lambda: counter.write_text("100000")) == pytest.approx(0.2)


def test_energy_is_shared_among_the_calls_of_a_burst(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", 0, limit=1 << 60)

    def call():
        counter.write_text(str(int(counter.read_text()) + 5000))

    assert EnergyMeter(tmp_path).millijoules_per_call(call, seconds=0.05) == pytest.approx(5.0)


def test_machines_that_do_not_tell_are_not_guessed(tmp_path):
    assert not EnergyMeter(tmp_path).readable
    assert not EnergyMeter(tmp_path / "nowhere").readable
    zone(tmp_path, "intel-rapl:0", 1).write_text("denied")
    assert not EnergyMeter(tmp_path).readable
