import numpy as np
import pytest

from minitorch_np.commands.arrayfiles import read_arrays
from minitorch_np.commands.columns import Feature, described, encoded, inferred
from minitorch_np.commands.csvfiles import read_csv
from minitorch_np.commands.stacks import stack
from minitorch_np.commands.tables import Problems, numbers
from minitorch_np.commands.targets import target


@pytest.fixture
def read(tmp_path):
    """The table of a text, and what is wrong with it."""

    def table(text, **options):
        path = tmp_path / "t.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        problems = Problems()
        return read_csv(path, problems, **options), problems

    return table


def said(problems):
    with pytest.raises(ValueError, match="bad place") as raised:
        problems.check("t.csv")
    return str(raised.value).splitlines()


def as_lists(table):
    return {name: list(column) for name, column in table.columns.items()}


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,x\n2,y\n",
        "a;b\r\n1;x\r\n2;y\r\n",
        "a\tb\n1\tx\n2\ty",
        "a|b\n1|x\n2|y\n",
        "\ufeffa,b\n1,x\n2,y\n",
        '"a","b"\n"1","x"\n"2","y"\n',
        "a, b\n 1 , x\n\n2, y\n   \n",
        "a;b\n1;x\n2;y\n",
    ],
)
def test_the_ways_to_write_a_table(read, text):
    assert as_lists(read(text)[0]) == {"a": ["1", "2"], "b": ["x", "y"]}


def test_delimiters_in_cells_do_not_mislead(read):
    table, _ = read('a;b\n"1,5";"x;y"\n"2,5";"u\nv"\n')
    assert as_lists(table) == {"a": ["1,5", "2,5"], "b": ["x;y", "u\nv"]}
    assert list(read("a b\n1 2\n", delimiter=" ")[0].columns) == ["a", "b"]


def test_lines_count_those_of_the_file(read):
    table, problems = read('a,b\n"1\n2",3\n\n4,x\n5\n6,7,8\n')
    assert table.lines == [2, 5]
    numbers(table, "b", problems)
    assert said(problems) == [
        "t.csv has 3 bad places:",
        "  line 5, column 'b': 'x' is no number",
        "  line 6 has 1 cells where the header has 2",
        "  line 7 has 3 cells where the header has 2",
    ]


def test_every_kind_of_bad_cell_is_named_by_line_and_column(read):
    cells = ["1", "", "NaN", "-inf", "1e200", "1_000", "12 kg", "2.5e3"]
    table, problems = read("n,a\n" + "\n".join(f"0,{cell}" for cell in cells))
    assert numbers(table, "a", problems)[[0, 7]].tolist() == [1, 2500]
    assert [line.strip() for line in said(problems)] == [
        "t.csv has 6 bad places:",
        "line 3, column 'a': the cell is empty",
        "line 4, column 'a': the value is nan",
        "line 5, column 'a': the value is -inf",
        "line 6, column 'a': 1e200 is beyond 1e+100",
        "line 7, column 'a': '1_000' is no number",
        "line 8, column 'a': '12 kg' is no number",
    ]


def test_ten_are_named_and_all_are_counted_in_the_order_of_lines(read):
    table, problems = read("a,b\n" + "x,y\n" * 12)
    numbers(table, "b", problems)
    numbers(table, "a", problems)
    lines = said(problems)
    assert lines[0] == "t.csv has 24 bad places:"
    assert lines[1:3] == ["  line 2, column 'b': 'y' is no number", "  line 2, column 'a': 'x' is no number"]
    assert lines[-1] == "  … and 14 more"
    assert len(lines) == 12


def test_without_a_header(read):
    table, _ = read("1,x\n2,y\n", header=False)
    assert as_lists(table) == {"column 1": ["1", "2"], "column 2": ["x", "y"]}
    assert table.lines == [1, 2]
    assert [table.find(name) for name in ("2", "-1", "column 1")] == ["column 2", "column 2", "column 1"]
    with pytest.raises(ValueError, match="has no column '3'; it has column 1, column 2"):
        table.find("3")
    with pytest.raises(ValueError, match="has no column '1'"):
        read("a,b\n1,2\n")[0].find("1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("a,b\n", "has no rows below its header"),
        ("a,a\n1,2\n", "more than one column 'a'"),
        ("1.5,2\n1,2\n", "--no-header takes it as data"),
        ('a,b\n1,"x\n', "the record that begins in line 2: unexpected end of data"),
        (b"a,b\n1,x\n2,\xe4\n", "is not utf-8 in line 3: .*--encoding latin-1"),
    ],
)
def test_what_is_no_table(read, text, message):
    with pytest.raises(ValueError, match=message):
        read(text)


def test_decimal_commas(read):
    text = "a;b\n1,5;x\n-,5e3;1,2,3\n7;y\n"
    assert as_lists(read(text, decimal_comma=True)[0]) == {"a": ["1.5", "-.5e3", "7"], "b": ["x", "1,2,3", "y"]}
    table, problems = read("a;y\n1,5;1,5\n2;2\n1,5;1,5\n2,5;2,5\n1,5;2")
    with pytest.raises(ValueError, match="'a' has numbers with a comma, such as '1,5': --decimal , reads them"):
        inferred(table, ["a"], set())
    with pytest.raises(ValueError, match="'y' has numbers with a comma, '1,5': --decimal , reads them"):
        target(table, "y", None, problems)


def test_doubtful_columns_are_pointed_out(read):
    table, problems = read("i,same,a\n3,1,5\n4,1,2\n5,1,5\n")
    features = inferred(table, ["i", "same", "a"], set())
    lines = described(features, encoded(table, features, problems))
    assert [line for line in lines if "same in all rows" in line] == ["the same in all rows, of no use: same"]
    assert [line.rpartition(": ")[2] for line in lines if "counting the rows" in line] == ["i"]


def test_a_bad_byte_far_into_a_file_is_found(read):
    with pytest.raises(ValueError, match="in line 50002:"):
        read(b"a,b\n" + b"1,2\n" * 50000 + b"1,\xe4\n")


def test_encodings(read):
    assert as_lists(read(b"a,b\n1,\xe4\n", encoding="latin-1")[0]) == {"a": ["1"], "b": ["ä"]}
    with pytest.raises(ValueError, match="there is no encoding 'nonsense'"):
        read("a,b\n1,2\n", encoding="nonsense")
    assert list(read("0,1,2\n5,6,7\n")[0].columns) == ["0", "1", "2"]  # as data frames name them


def test_types_of_columns_and_their_matrix(read):
    table, problems = read("a,b,c\n1,red,10\n2,blue,9\n3,red,10\n")
    features = inferred(table, ["a", "b", "c"], {"c"})
    assert features == [Feature("a"), Feature("b", ["blue", "red"]), Feature("c", ["9", "10"])]
    assert encoded(table, features, problems).tolist() == [[1, 0, 1, 0, 1], [2, 1, 0, 1, 0], [3, 0, 1, 0, 1]]
    other, problems = read("c,b,a\n9,green,5\n10,,6\n")
    encoded(other, features, problems)
    assert [line.strip() for line in said(problems)[1:]] == [
        "line 2, column 'b': 'green' is none of the categories blue, red",
        "line 3, column 'b': the cell is empty",
    ]


def test_a_text_among_numbers_makes_no_category_of_them(read):
    table, problems = read("a,b\n1,1\n2,x\n?,1\n4,1\n")
    features = inferred(table, ["a", "b"], set())
    assert features == [Feature("a"), Feature("b")]
    encoded(table, features, problems)
    assert len(said(problems)) == 3


def test_columns_that_are_of_no_use_are_named_together(read):
    rows = "".join(f"{i},n{i},same,t{i % 60},{i}\n" for i in range(120))
    table, _ = read(f",name,unit,code,a\n{rows}")
    with pytest.raises(ValueError, match="--drop NAME") as raised:
        inferred(table, list(table.columns), set())
    lines = str(raised.value).splitlines()
    assert [line.split("'")[1] for line in lines[1:]] == ["column 1", "name", "unit", "code"]
    assert "has no name in the header" in lines[1]
    assert "another text in each of the 120 rows" in lines[2]
    assert "is 'same' in every row" in lines[3]
    assert "has 60 different texts (--category NAME" in lines[4]
    assert inferred(table, ["code"], {"code"})[0].width == 60


@pytest.mark.parametrize(
    ("cells", "kind", "classes"),
    [
        (["b", "a"] * 10, None, ["a", "b"]),
        (["1", "0"] * 10, None, ["0", "1"]),
        (["1.0", "1", "2", "10"] * 5, None, ["1", "2", "10"]),
        (["1", "2", "3"] * 4, None, None),  # of three, five each would be classes
        (["1", "2", "3"] * 5, None, ["1", "2", "3"]),
        (["1.5", "2"] * 10, None, None),
        ([str(i) for i in range(21)] * 10, None, None),
        ([str(i) for i in range(20)] * 10, None, [str(i) for i in range(20)]),
        ([str(i) for i in range(21)] * 10, "classes", [str(i) for i in range(21)]),
        (["1", "0"] * 10, "numbers", None),
        (["1.5", "2"] * 10, "classes", ["1.5", "2"]),
    ],
)
def test_classes_or_numbers(read, cells, kind, classes):
    table, problems = read("x,y\n" + "".join(f"0,{cell}\n" for cell in cells))
    found = target(table, "y", kind, problems)
    problems.check("t.csv")
    assert found.classes == classes
    if classes is None:
        assert found.values.tolist() == [float(cell) for cell in cells]
    else:
        expected = [cell.removesuffix(".0") for cell in cells]
        assert [classes[i] for i in found.values] == expected


@pytest.mark.parametrize(
    ("cells", "kind", "message"),
    [
        (["1"] * 4, None, "'y' is '1' in every row"),
        (["1.5"] * 4, "numbers", "'y' is 1.5 in every row"),
        (["", ""], None, "'y' is empty in every row"),
        (["a", "b", "c"], None, "different in each of the 3 rows"),
        (
            ["1", "2", "", "x"] * 4,
            None,
            "line 4, column 'y': the cell is empty\n  line 5, column 'y': 'x' is no number",
        ),
        (["a", "b", ""] * 4, None, "line 4, column 'y': the cell is empty"),
        (["a", "b"] * 4, "numbers", "line 2, column 'y': 'a' is no number"),
    ],
)
def test_targets_that_cannot_be(read, cells, kind, message):
    table, problems = read("x,y\n" + "".join(f"0,{cell}\n" for cell in cells))
    with pytest.raises(ValueError, match=message):  # noqa: PT012
        target(table, "y", kind, problems)
        problems.check("t.csv")


def test_arrays(tmp_path):
    x, y = np.arange(12.0).reshape(4, 3), np.array(["a", "b", "a", "b"])
    np.savez(tmp_path / "d.npz", x=x, kind=y)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "kind.npy", y)
    for path, given in ((tmp_path / "d.npz", "kind"), (tmp_path / "x.npy", str(tmp_path / "kind.npy"))):
        table, name = read_arrays(path, given)
        assert name == "kind"
        assert as_lists(table) == {
            "x[0]": [0, 3, 6, 9],
            "x[1]": [1, 4, 7, 10],
            "x[2]": [2, 5, 8, 11],
            "kind": ["a", "b", "a", "b"],
        }
    with pytest.raises(ValueError, match="has no array 'z'; it has x, kind"):
        read_arrays(tmp_path / "d.npz", "z")
    x[2, 1] = np.nan
    np.save(tmp_path / "x.npy", x)
    problems = Problems()
    numbers(read_arrays(tmp_path / "x.npy", None)[0], "x[1]", problems)
    assert said(problems)[1] == "  row 2, column 'x[1]': the value is nan"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(3), "y": np.zeros(3)}, r"x should be numbers of shape \(N, features\)"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(4)}, r"y should be one number or text for each of the 3 rows"),
        (
            {"a": np.zeros((3, 2)), "b": np.zeros((3, 2)), "y": np.zeros(3)},
            "one array x of features, it has a, b",
        ),
        ({"x": np.array([[{}]]), "y": np.zeros(1)}, "cannot be read as arrays"),
    ],
)
def test_arrays_that_are_no_table(tmp_path, arrays, message):
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        read_arrays(tmp_path / "d.npz", "y")


def test_files_that_are_no_arrays(tmp_path):
    (tmp_path / "d.npz").write_bytes(b"PK\x03\x04 no zip")
    for path in (tmp_path / "d.npz", tmp_path / "missing.npy"):
        with pytest.raises(ValueError, match=r"cannot be read as arrays|there is no file"):
            read_arrays(path, None)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("", ["Linear(4, 3)"]),
        ("8", ["Linear(4, 8)", "Linear(8, 3)"]),
        ("8, relu, 6,tanh", ["Linear(4, 8)", "ReLU()", "Linear(8, 6)", "Tanh()", "Linear(6, 3)"]),
        (
            "8, glu, hardtanh(-2, 2)",
            ["Linear(4, 8)", "GLU()", "Hardtanh(min_val=-2, max_val=2)", "Linear(4, 3)"],
        ),
        ("Linear(4, 5, bias=False)", ["Linear(4, 5, bias=False)", "Linear(5, 3)"]),
    ],
)
def test_networks_by_their_hidden_layers(text, made):
    assert [repr(layer) for layer in stack(text, 4, 3, standardize=False)] == made
    assert [repr(layer) for layer in stack(text, 4, 3)] == ["Standardize(4)", *made]


def test_layers_of_one_size_have_weights_of_their_own():
    model = stack("5, 5, 5", 5, 5, seed=1)
    assert len({layer.weight.data[0, 0] for layer in model[1:]}) == 4
    assert (model[1].weight.data == stack("5, 5, 5", 5, 5, seed=1)[1].weight.data).all()
    assert (model[1].weight.data != stack("5, 5, 5", 5, 5, seed=2)[1].weight.data).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("64, nonsense", "there is no nonsense here"),
        ("64,, relu", "expected layers such as"),
        ("0", "one output or more"),
        ("7, glu", r"glu does not fit where it stands, after 7 outputs"),
        ("Linear(5, 2)", r"Linear\(5, 2\) does not fit where it stands, after 4 outputs"),
        ("MSELoss", "a network is made of layers"),
    ],
)
def test_networks_that_cannot_be(text, message):
    with pytest.raises(ValueError, match=message):
        stack(text, 4, 3)
