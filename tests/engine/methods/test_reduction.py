import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import Normalizer, StandardScaler

from wann_core.errors import WannError
from wann_core.methods.reduction import lda, normalize, pca

RNG = np.random.RandomState(0)
X_TRAIN = RNG.randn(60, 8) * np.arange(1, 9) + 50
X_TEST = RNG.randn(20, 8) * np.arange(1, 9) + 50
LABELS = np.arange(60) % 4


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_zscore_equals_standard_scaler(dtype: type) -> None:
    given = X_TRAIN.astype(dtype), X_TEST.astype(dtype)
    copies = given[0].copy(), given[1].copy()
    ours = normalize(*given, "zscore")
    scaler = StandardScaler().fit(given[0].astype(np.float64))
    for mine, raw, copy in zip(ours, given, copies, strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, scaler.transform(raw.astype(np.float64)), atol=1e-6)
        assert np.array_equal(raw, copy)  # never written to


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_constant_feature_becomes_zero(dtype: type) -> None:
    # 0.1 is not exact in binary: summed up, such a column has a tiny spread.
    train, test = np.full((1000, 2), 0.1, dtype), np.full((3, 2), 7, dtype)
    train[:, 1] = np.arange(1000) % 2
    a, b = normalize(train, test, "zscore")
    assert not a[:, 0].any()
    assert not b[:, 0].any()
    assert np.abs(a[:, 1]).min() == 1


def test_zscore_spans_all_blocks_of_rows() -> None:
    train = np.arange(10_000, dtype=np.float64)[:, None]
    a, _ = normalize(train, train[:1], "zscore")
    np.testing.assert_allclose(a, StandardScaler().fit_transform(train), rtol=1e-6)


@pytest.mark.parametrize("exponent", [-660, -200, 200, 1000])
def test_scale_of_finite_values_does_not_matter(exponent: int) -> None:
    """By powers of two the result is even the same to the last bit."""
    factor = 2.0**exponent
    for how in ("zscore", "l2"):
        expected = normalize(X_TRAIN, X_TEST, how)
        scaled = normalize(X_TRAIN * factor, X_TEST * factor, how)
        for a, b in zip(expected, scaled, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
    one = X_TRAIN.copy()
    one[:, 3] *= factor
    np.testing.assert_array_equal(
        normalize(one, one, "zscore")[0], normalize(X_TRAIN, X_TEST, "zscore")[0]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_l2_of_large_float32(dtype: type) -> None:
    expected = normalize(X_TRAIN, X_TEST, "l2")[0]
    for factor in (1e30, 1e-30):
        scaled = (X_TRAIN * factor).astype(dtype)
        np.testing.assert_allclose(normalize(scaled, scaled, "l2")[0], expected, rtol=1e-5)


def test_an_offset_of_float64_is_taken_off_first() -> None:
    near = normalize(X_TRAIN, X_TEST, "zscore")[0]
    far = normalize(X_TRAIN + 1e9, X_TEST + 1e9, "zscore")[0]
    np.testing.assert_allclose(far, near, atol=1e-5)


def test_values_that_cannot_be_scaled_are_refused() -> None:
    for low, high in ((-1.7e308, 1.7e308), (0, 1e-310)):
        X = np.linspace(low / 2, high / 2, 9)[:, None] * 2
        with pytest.raises(WannError, match="dimension 0 of the embeddings holds values from"):
            normalize(X, X, "zscore")
    tiny = X_TRAIN * 1e-200
    with pytest.raises(WannError, match="distances between them are zero"):
        normalize(tiny, tiny, "none")


def test_l2_makes_unit_rows_and_keeps_zero_rows() -> None:
    train = X_TRAIN.astype(np.float16)
    train[3] = 0
    a, b = normalize(train, X_TEST, "l2")
    np.testing.assert_allclose(a, Normalizer().fit_transform(train.astype(np.float32)), rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(b, axis=1), 1, rtol=1e-6)
    assert not a[3].any()
    assert (a.dtype, b.dtype) == (np.float32, np.float32)


def test_none_only_casts() -> None:
    a, b = normalize(X_TRAIN, X_TEST, "none")
    assert np.array_equal(a, X_TRAIN.astype(np.float32))
    assert np.array_equal(b, X_TEST.astype(np.float32))


def test_unknown_normalization_is_refused() -> None:
    with pytest.raises(WannError, match="`normalization` must be one of zscore, l2, none"):
        normalize(X_TRAIN, X_TEST, "minmax")


@pytest.mark.parametrize(("rows", "size", "columns"), [(60, None, 8), (5, None, 5), (60, 3, 3)])
def test_pca_size_is_cut_to_rows_and_columns(rows: int, size: int | None, columns: int) -> None:
    a, b = pca(X_TRAIN[:rows], X_TEST, size)
    assert (a.shape, b.shape) == ((rows, columns), (20, columns))
    assert (a.dtype, b.dtype) == (np.float32, np.float32)


def test_pca_defaults_to_200_components_and_the_published_seed() -> None:
    # Large enough that scikit-learn takes its randomised solver, where the seed shows.
    X = np.random.RandomState(1).randn(600, 400).astype(np.float32)
    a, b = pca(X, X[:2])
    model = PCA(200, random_state=4524234).fit(X)
    np.testing.assert_allclose(a, model.transform(X), atol=1e-3)
    np.testing.assert_allclose(b, a[:2], atol=1e-3)


@pytest.mark.parametrize("size", [0, 9, 2.5])
def test_pca_size_out_of_range_is_refused(size: float) -> None:
    with pytest.raises(WannError, match=r"`reduction_size` must be .* between 1 and 8") as caught:
        pca(X_TRAIN, X_TEST, size)  # type: ignore[arg-type]
    assert caught.value.field == "reduction_size"


@pytest.mark.parametrize(("size", "columns"), [(None, 3), (3, 3), (1, 1)])
def test_lda_projects_on_discriminants(size: int | None, columns: int) -> None:
    a, b = lda(X_TRAIN, LABELS, X_TEST, size)
    model = LinearDiscriminantAnalysis(solver="svd").fit(X_TRAIN, LABELS)
    np.testing.assert_allclose(a, model.transform(X_TRAIN)[:, :columns], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(b, model.transform(X_TEST)[:, :columns], rtol=1e-4, atol=1e-5)
    assert a.flags.c_contiguous


def test_lda_has_no_more_discriminants_than_columns() -> None:
    assert lda(X_TRAIN[:, :2], LABELS, X_TEST[:, :2])[0].shape == (60, 2)


def test_flda_fits_on_the_given_rows_and_transforms_all() -> None:
    fit_on = np.arange(60) < 40
    a, b = lda(X_TRAIN, LABELS, X_TEST, fit_on=fit_on)
    model = LinearDiscriminantAnalysis(solver="svd").fit(X_TRAIN[fit_on], LABELS[fit_on])
    np.testing.assert_allclose(a, model.transform(X_TRAIN), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(b, model.transform(X_TEST), rtol=1e-4, atol=1e-5)


def test_lda_is_silent_on_constant_and_collinear_features() -> None:
    # Warnings are errors here.
    train = np.hstack([X_TRAIN, X_TRAIN[:, :1], np.zeros((60, 1))])
    test = np.hstack([X_TEST, X_TEST[:, :1], np.zeros((20, 1))])
    assert np.isfinite(lda(train, LABELS, test)[1]).all()


@pytest.mark.parametrize(
    ("labels", "fit_on", "sentence"),
    [
        (np.zeros(60, int), None, "LDA needs at least 2 classes .* got 60 rows of 1 classes"),
        (np.arange(60), None, "LDA needs .* more rows than classes .* 60 rows of 60 classes"),
        (LABELS, np.arange(60) < 4, "fLDA needs .* got 4 rows of 4 classes"),
        (LABELS, np.zeros(60, bool), "fLDA needs .* got 0 rows of 0 classes"),
    ],
)
def test_lda_that_cannot_be_fitted_says_why(
    labels: np.ndarray, fit_on: np.ndarray | None, sentence: str
) -> None:
    with pytest.raises(WannError, match=sentence) as caught:
        lda(X_TRAIN, labels, X_TEST, fit_on=fit_on)
    assert caught.value.field == "reduction"


def test_lda_size_out_of_range_is_refused() -> None:
    with pytest.raises(WannError, match=r"`reduction_size` must be .* between 1 and 3, got 4"):
        lda(X_TRAIN, LABELS, X_TEST, 4)


@pytest.mark.parametrize("X", [np.repeat([[0.0], [1.0]], 3, axis=0), np.zeros((6, 2))])
def test_lda_without_spread_inside_the_classes_is_refused(X: np.ndarray) -> None:
    with pytest.raises(WannError, match="LDA"):
        lda(X, np.array([0, 0, 0, 1, 1, 1]), X)
