import numpy as np

from actors.stt.narrowband import files


def test_the_files_are_as_pocketsphinx_reads_them() -> None:
    features = dict(zip(*[iter(files()["featparams"].split())] * 2, strict=True))
    assert features["-nfilt"] == "19"
    assert 3700 < float(features["-upperf"]) < 3900
    classes, streams, *numbers = files()["mllr"].split()
    assert (classes, streams) == ("1", "3")
    assert len(numbers) == 3 * (1 + 13 * 13 + 13 + 13)


def test_speech_that_is_equal_in_all_bands_is_louder_by_the_bands_that_there_are() -> None:
    numbers = files()["mllr"].split()[3:]
    matrix = np.array([float(number) for number in numbers[: 13 * 13]]).reshape(13, 13)
    flat = np.zeros(13)
    flat[0] = np.sqrt(25.0)
    np.testing.assert_allclose(matrix @ flat, [np.sqrt(19.0), *[0.0] * 12], atol=1e-4)
