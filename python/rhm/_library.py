"""The shared library: where it is, what its functions take, and failures as exceptions."""
import ctypes
import ctypes.util
import os
import pathlib
from ctypes import POINTER, byref, c_bool, c_char_p, c_double, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

from . import _structures as c

STATUS = ("ok", "invalid", "corrupt", "io", "no-memory", "unsupported", "interrupted", "failed")


class RHMError(Exception):
    """A call of the library that failed. `str()` is its sentence, which names the value at fault, the reason and what is allowed;
    `status` is one of invalid, corrupt, io, no-memory, unsupported, interrupted, failed."""

    def __init__(self, text, status="failed"):
        super().__init__(text)
        self.status = status

    def __reduce__(self):
        return type(self), (str(self), self.status)


class InvalidError(RHMError, ValueError):
    """An argument, or the contents of an input, make no sense."""

    def __init__(self, text, status="invalid"):
        super().__init__(text, status)


class InterruptedRun(KeyboardInterrupt):
    """A run that Ctrl-C ended. The library has come back and holds nothing any more; checkpoints are kept."""

    status = "interrupted"


def _candidates():
    named = os.environ.get("RHM_LIBRARY")
    if named:
        return [named]
    here = pathlib.Path(__file__).resolve().parent
    return [str(here / "librhm.so"), "librhm.so.0", *filter(None, [ctypes.util.find_library("rhm")])]


def _load():
    failures = []
    for name in _candidates():
        try:
            return ctypes.CDLL(name)
        except OSError as failure:
            failures.append(str(failure))
    raise ImportError("librhm.so cannot be loaded: " + "; ".join(failures) + ". RHM_LIBRARY may name its path")


library = _load()

_S = c_int  # rhm_status: the last argument is an rhm_error *
_P, _TEXT, _SIZE, _U32, _U64 = c_void_p, c_char_p, c_size_t, c_uint32, c_uint64
_LATENTS = POINTER(c_void_p)

#: Functions that return a status, without their last parameter.
CHECKED = {
    "rhm_engine_open": [POINTER(_P), c_int, _TEXT, _TEXT, _TEXT, _U64, POINTER(c_int), c.PROGRESS, _P],
    "rhm_tree_make": [POINTER(c.Tree), _U32, POINTER(_U32)],
    "rhm_grammar_draw_with": [POINTER(_P), POINTER(c.Shape), POINTER(c.GrammarOptions)],
    "rhm_grammar_create_with": [POINTER(_P), POINTER(c.Shape), POINTER(_P), POINTER(_P), _P, POINTER(c.GrammarOptions)],
    "rhm_rule_laws_parse": [POINTER(c.RuleLaw), _U32, _TEXT],
    "rhm_analyse": [POINTER(c.Analysis), _P],
    "rhm_grammar_save": [_P, _TEXT],
    "rhm_grammar_load": [POINTER(_P), _TEXT],
    "rhm_sampler_create": [POINTER(_P), _P, _U64],
    "rhm_sample_with_engine": [_P, _P, _U32, _U64, _SIZE, _P, _P, _LATENTS],
    "rhm_sample_below": [_P, _P, _U32, _U64, _SIZE, _P, _P, _LATENTS],
    "rhm_sequence_count": [POINTER(c.Number), _P],
    "rhm_sample_numbered": [_P, _P, c.Number, _SIZE, _P, _P, _LATENTS],
    "rhm_sample_distinct": [_P, _P, c.Number, _SIZE, _P, _P, _LATENTS],
    "rhm_encode_one_hot": [_P, POINTER(c.OneHot), POINTER(c.TokenRows), _P],
    "rhm_encode_integers": [_P, POINTER(c.TokenRows), c_int64, _P],
    "rhm_data_load": [POINTER(c.Data), _TEXT, POINTER(c.DataHints)],
    "rhm_data_is_mixed": [POINTER(c_bool), POINTER(c.Data)],
    "rhm_data_writer_open": [POINTER(_P), _TEXT, _P, _U64, _SIZE, c_int],
    "rhm_data_writer_append": [_P, _SIZE, _P, _P, _LATENTS],
    "rhm_data_writer_commit": [POINTER(_P)],
    "rhm_oracle_create": [POINTER(_P), _P, _P, c_int],
    "rhm_oracle_infer": [_P, _P, _P, _SIZE, POINTER(c.Beliefs)],
    "rhm_bayes_of_grammar": [POINTER(c.Bayes), _P, _P, _U64, _U32, _U64, _U64],
    "rhm_train_options_create": [POINTER(_P)],
    "rhm_train_options_set": [_P, _TEXT, _TEXT, _U32],
    "rhm_train_reported": [POINTER(_P), POINTER(_P), _P, POINTER(c.TrainJob)],
    "rhm_predict": [_P, _P, _P, _SIZE, _P, _P, POINTER(_U64)],
    "rhm_evaluate": [POINTER(c.Accuracy), _P, _P, _P, _U64, _U32, _U64, _U64],
    "rhm_model_embed": [_P, _P, _U32, _P, _SIZE, _P],
    "rhm_model_load": [POINTER(_P), _TEXT],
    "rhm_model_save": [_P, _TEXT],
    "rhm_model_describe": [_P, POINTER(_P)],
    "rhm_machine_describe": [POINTER(_P), _P, _P],
}

#: The others: what they return, and their parameters.
PLAIN = {
    "rhm_version": (_TEXT, []),
    "rhm_engine_destroy": (None, [_P]),
    "rhm_engine_describe": (c.EngineInfo, [_P]),
    "rhm_grammar_destroy": (None, [_P]),
    "rhm_grammar_shape": (POINTER(c.Shape), [_P]),
    "rhm_grammar_tree": (POINTER(c.Tree), [_P]),
    "rhm_grammar_origin": (POINTER(c.GrammarOptions), [_P]),
    "rhm_grammar_patches": (c.U32, [_P, _U32]),
    "rhm_grammar_probability": (c.F64, [_P, _U32]),
    "rhm_grammar_label_probability": (c.F64, [_P]),
    "rhm_grammar_notes": (_TEXT, [_P]),
    "rhm_rule_sampling_name": (_TEXT, [c_int]),
    "rhm_rule_laws_text": (_P, [_P, POINTER(c.RuleLaw), _U32]),
    "rhm_analysis_clear": (None, [POINTER(c.Analysis)]),
    "rhm_analysis_explain": (None, [POINTER(c.Analysis), _P, _SIZE]),
    "rhm_sampler_destroy": (None, [_P]),
    "rhm_data_clear": (None, [POINTER(c.Data)]),
    "rhm_data_shuffle": (None, [POINTER(c.Data), c_uint64]),
    "rhm_data_writer_abandon": (None, [POINTER(_P)]),
    "rhm_oracle_destroy": (None, [_P]),
    "rhm_oracle_mask": (None, [_U64, _U32, _U64, _SIZE, _SIZE, c_double, _P]),
    "rhm_learner_count": (_SIZE, []),
    "rhm_learner_at": (POINTER(c.LearnerInfo), [_SIZE]),
    "rhm_train_options_destroy": (None, [_P]),
    "rhm_train_options_listen": (None, [_P, c.NOTE, _P]),
    "rhm_model_destroy": (None, [_P]),
    "rhm_model_kind": (_TEXT, [_P]),
    "rhm_model_tree": (POINTER(c.Tree), [_P]),
    "rhm_model_classes": (_U32, [_P]),
    "rhm_model_token_vocab": (_U32, [_P]),
    "rhm_model_nbytes": (_SIZE, [_P]),
    "rhm_model_grammar": (_P, [_P]),
    "rhm_model_report": (_TEXT, [_P]),
    "rhm_model_notes": (_TEXT, [_P]),
    "rhm_model_hash": (None, [_P, _P]),
    "rhm_model_embedding": (_U32, [_P, _U32]),
}

for _name, _parameters in CHECKED.items():
    _function = getattr(library, _name)
    _function.restype, _function.argtypes = _S, [*_parameters, POINTER(c.Error)]
for _name, (_result, _parameters) in PLAIN.items():
    _function = getattr(library, _name)
    _function.restype, _function.argtypes = _result, _parameters

_free = ctypes.CDLL(None).free
_free.restype, _free.argtypes = None, [c_void_p]


def failure_of(error):
    """The exception that says what an rhm_error does."""
    text, status = error.text.decode(errors="replace"), STATUS[error.status]
    if status == "interrupted":
        return InterruptedRun(text)
    if status == "invalid":
        return InvalidError(text)
    if status == "no-memory":
        return MemoryRefused(text, status)
    return RHMError(text, status)


class MemoryRefused(RHMError, MemoryError):
    """A size overflows, exceeds the memory limit, or was refused by the system."""


_checked = {name: getattr(library, name) for name in CHECKED}


def call(name, *arguments):
    """Call a function of CHECKED; a failure becomes an exception that carries its sentence."""
    for argument in arguments:
        if isinstance(argument, bytes) and b"\0" in argument:
            raise InvalidError(f"{argument.decode(errors='replace')!r} holds a zero character, at which C would cut it")
    error = c.Error()
    if _checked[name](*arguments, error) != 0:
        raise failure_of(error)


def take_text(pointer):
    """A text that the library handed over, as str; releases it."""
    text = ctypes.string_at(pointer).decode()
    _free(pointer)
    return text


def path_bytes(path):
    """A path as the library takes it."""
    name = os.fsencode(os.fspath(path))
    if not name:
        raise InvalidError("the name of the file is empty")
    return name


def version():
    """Version of the library in use."""
    return library.rhm_version().decode()
