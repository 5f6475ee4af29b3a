"""The structures of the headers in include/rhm, member by member. tests/test_python_layout.py compares them with what a C compiler
says of the headers."""
import ctypes
from ctypes import CFUNCTYPE, POINTER, c_bool, c_char, c_char_p, c_double, c_float, c_int, c_int64, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p

MAX_LEVELS = 32
BY_LEVEL = MAX_LEVELS + 1
ERROR_TEXT_NBYTES = 512
HASH_TEXT_NBYTES = 65
SENTENCE_NBYTES = 2048

U16 = POINTER(c_uint16)
U32 = POINTER(c_uint32)
F64 = POINTER(c_double)


class Error(ctypes.Structure):
    _fields_ = [("status", c_int), ("text", c_char * ERROR_TEXT_NBYTES)]


class Progress(ctypes.Structure):
    _fields_ = [("stage", c_char_p), ("done", c_uint64), ("total", c_uint64)]


PROGRESS = CFUNCTYPE(None, c_void_p, POINTER(Progress))
NOTE = CFUNCTYPE(None, c_void_p, c_char_p)


class EngineInfo(ctypes.Structure):
    _fields_ = [("threads", c_int), ("cpu", c_char_p), ("isa", c_char_p), ("backend", c_char_p), ("placement", c_char_p),
                ("numa_nodes", c_int), ("memory_limit_nbytes", c_uint64)]


class RuleLaw(ctypes.Structure):
    _fields_ = [("kind", c_int), ("a", c_double)]


class GrammarOptions(ctypes.Structure):
    _fields_ = [("sampling", c_int), ("seed", c_uint64), ("rule_law", RuleLaw * BY_LEVEL), ("label_law", RuleLaw),
                ("ambiguity", c_double), ("token_noise", c_double), ("label_noise", c_double)]


class Shape(ctypes.Structure):
    _fields_ = [("levels", c_uint32), ("vocab", c_uint32 * BY_LEVEL), ("rules", c_uint32 * BY_LEVEL), ("branching", c_uint32 * BY_LEVEL)]


class Tree(ctypes.Structure):
    _fields_ = [("levels", c_uint32), ("branching", c_uint32 * BY_LEVEL), ("nodes", c_size_t * BY_LEVEL), ("leaves", c_size_t * BY_LEVEL)]


class Analysis(ctypes.Structure):
    _fields_ = [("levels", c_uint32), ("vocab", c_uint32 * BY_LEVEL), ("kappa", c_double), ("rho", c_double * BY_LEVEL),
                ("k_rho", c_double * BY_LEVEL), ("closest", c_uint32 * 2 * BY_LEVEL), ("never_first", c_uint32 * BY_LEVEL),
                ("never", c_uint32 * BY_LEVEL), ("ambiguous", c_size_t * BY_LEVEL), ("occurs", POINTER(c_bool) * BY_LEVEL),
                ("posterior", F64 * BY_LEVEL), ("assumption_6", c_bool)]


class Data(ctypes.Structure):
    _fields_ = [("count", c_size_t), ("tree", Tree), ("token_vocab", c_uint32), ("label_vocab", c_uint32), ("tokens", U16), ("labels", U16),
                ("grammar", c_void_p), ("latents", U16 * BY_LEVEL), ("latent_vocab", c_uint32 * BY_LEVEL), ("shuffled", c_int)]


class DataHints(ctypes.Structure):
    _fields_ = [("token_vocab", c_uint32), ("label_vocab", c_uint32), ("branching", c_uint32 * BY_LEVEL), ("levels", c_uint32),
                ("latents", c_int), ("allow_missing_labels", c_int), ("note", NOTE), ("user", c_void_p)]


class Number(ctypes.Structure):
    _fields_ = [("low", c_uint64), ("high", c_uint64)]

    @classmethod
    def of(cls, value):
        return cls(value & (1 << 64) - 1, value >> 64)

    def __int__(self):
        return self.high << 64 | self.low


class Beliefs(ctypes.Structure):
    _fields_ = [("posteriors", F64), ("log_likelihood", F64), ("marginals", POINTER(F64))]


class Bayes(ctypes.Structure):
    _fields_ = [("samples", c_uint64), ("correct", c_uint64), ("impossible", c_uint64), ("accuracy", c_double), ("accuracy_low", c_double),
                ("accuracy_high", c_double), ("expected_accuracy", c_double), ("expected_accuracy_error", c_double),
                ("cross_entropy", c_double), ("cross_entropy_error", c_double), ("sums", c_double * 4)]


class Accuracy(ctypes.Structure):
    _fields_ = [("samples", c_uint64), ("correct", c_uint64), ("clamped", c_uint64)]


class TokenRows(ctypes.Structure):
    _fields_ = [("tokens", c_void_p), ("rows", c_size_t), ("width", c_size_t), ("row", c_void_p), ("count", c_size_t)]


class OneHot(ctypes.Structure):
    _fields_ = [("vocab", c_uint32), ("on", c_float), ("off", c_float), ("channels_last", c_bool)]


class TrainJob(ctypes.Structure):
    _fields_ = [("grammar", c_void_p), ("data", POINTER(Data)), ("parents", U32), ("options", c_void_p), ("command", c_char_p),
                ("data_name", c_char_p), ("analysis", c_void_p), ("earlier_seconds", c_double), ("ceilings", c_bool),
                ("outcome", c_void_p), ("bayes_accuracy", POINTER(c_double))]


class LearnerInfo(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("summary", c_char_p), ("source", c_char_p), ("needs", c_char_p), ("model_kind", c_char_p),
                ("latents", c_bool), ("options", POINTER(c_char_p))]
