"""What the Python package says of the C library is what the headers say: structures, functions, statuses."""
import ctypes
import re
import subprocess

import pytest
from python_tools import ROOT

from rhm import _library, _structures

HEADERS = sorted((ROOT / "include/rhm").glob("*.h"))
NAMES = {"Error": "rhm_error", "Progress": "rhm_progress", "EngineInfo": "rhm_engine_info",
         "RuleLaw": "rhm_rule_law", "GrammarOptions": "rhm_grammar_options", "Shape": "rhm_shape", "Tree": "rhm_tree", "Analysis": "rhm_analysis",
         "Data": "rhm_data", "DataHints": "rhm_data_hints", "Number": "rhm_number", "Beliefs": "rhm_beliefs", "Bayes": "rhm_bayes",
         "Accuracy": "rhm_accuracy", "TokenRows": "rhm_token_rows", "OneHot": "rhm_one_hot", "TrainJob": "rhm_train_job",
         "LearnerInfo": "rhm_learner_info"}
STRUCTURES = {name: value for name, value in vars(_structures).items() if isinstance(value, type) and issubclass(value, ctypes.Structure)
              and value is not ctypes.Structure}


@pytest.fixture(scope="module")
def of_c(tmp_path_factory):
    """{"rhm_shape": size, "rhm_shape.levels": (offset, size), ...} from a C compiler."""
    lines = []
    for name, structure in STRUCTURES.items():
        lines.append(f'printf("{NAMES[name]} %zu 0\\n", sizeof({NAMES[name]}));')
        lines += [f'printf("{NAMES[name]}.{member} %zu %zu\\n", offsetof({NAMES[name]}, {member}), sizeof((({NAMES[name]} *)0)->{member}));'
                  for member, *_ in structure._fields_]
    lines += [f'printf("{name} %d 0\\n", {name});' for name in ("RHM_MAX_LEVELS", "RHM_ERROR_TEXT_NBYTES", "RHM_HASH_TEXT_NBYTES", "RHM_FAILED")]
    folder = tmp_path_factory.mktemp("layout")
    (folder / "layout.c").write_text("#include <rhm/rhm.h>\n#include <stdio.h>\nint main(void) {" + "\n".join(lines) + "return 0; }\n")
    subprocess.run(["cc", "-I", ROOT / "include", folder / "layout.c", "-o", folder / "layout"], check=True)
    output = subprocess.run([folder / "layout"], check=True, capture_output=True, text=True).stdout
    return {name: (int(a), int(b)) for name, a, b in (line.split() for line in output.splitlines())}


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures(name, of_c):
    structure = STRUCTURES[name]
    assert ctypes.sizeof(structure) == of_c[NAMES[name]][0]
    for member, *_ in structure._fields_:
        place = getattr(structure, member)
        assert (place.offset, place.size) == of_c[f"{NAMES[name]}.{member}"], member


def test_constants(of_c):
    assert _structures.MAX_LEVELS == of_c["RHM_MAX_LEVELS"][0]
    assert _structures.ERROR_TEXT_NBYTES == of_c["RHM_ERROR_TEXT_NBYTES"][0]
    assert _structures.HASH_TEXT_NBYTES == of_c["RHM_HASH_TEXT_NBYTES"][0]
    assert len(_library.STATUS) == of_c["RHM_FAILED"][0] + 1


def prototypes():
    """{function: (what it returns, [parameter, ...])} of all headers."""
    text = re.sub(r"/\*.*?\*/", " ", "".join(path.read_text() for path in HEADERS), flags=re.S)
    found = {}
    for result, name, parameters in re.findall(r"RHM_API ([\w\s\*]+?)(\w+)\((.*?)\);", text, flags=re.S):
        depth, parts = 0, [""]
        for letter in parameters:
            depth += (letter == "(") - (letter == ")")
            if letter == "," and depth == 0:
                parts.append("")
            else:
                parts[-1] += letter
        found[name] = (result.strip(), [] if parts == ["void"] else [" ".join(part.split()) for part in parts])
    return found


def is_pointer(parameter):
    return "*" in parameter or "[" in parameter


@pytest.mark.parametrize("name", [*_library.CHECKED, *_library.PLAIN])
def test_functions(name):
    """As many parameters, pointers where there are pointers, numbers of the same size elsewhere."""
    sizes = {"uint64_t": 8, "size_t": 8, "int64_t": 8, "uint32_t": 4, "int": 4, "double": 8, "rhm_precision": 4, "rhm_rule_sampling": 4, "rhm_number": 16}
    result, parameters = prototypes()[name]
    given = _library.CHECKED.get(name)
    if given is not None:
        assert result == "rhm_status"
        assert parameters.pop() == "rhm_error *error"
    else:
        given = _library.PLAIN[name][1]
    assert len(given) == len(parameters)
    for kind, parameter in zip(given, parameters):
        if is_pointer(parameter):
            assert kind in (ctypes.c_void_p, ctypes.c_char_p) or hasattr(kind, "contents") or issubclass(kind, ctypes._CFuncPtr), parameter
        else:
            assert ctypes.sizeof(kind) == sizes[parameter.split()[-2]], parameter
