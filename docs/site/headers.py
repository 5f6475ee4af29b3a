"""The C interface as Markdown, from the public headers: each comment with the declaration that it stands above."""
import re

GUARD = re.compile(r'^#(ifndef|define|endif)\b.*RHM_\w+_H.*\n|^#ifdef __cplusplus\n(?:.*\n)*?#endif\n', re.M)
COMMENT = re.compile(r"/\*(.*?)\*/", re.S)
NAMES = (r"^RHM_API [^(;]*?(\w+)\(", r"^typedef struct (\w+) \w+;", r"^typedef (?:enum|struct) (\w+) \{", r"^struct (\w+) \{", r"^#define (\w+)",
         r"^static inline [^(]*?(\w+)\(", r"^enum \{\s*(\w+)", r"^typedef [^;]*?\(\*(\w+)\)", r"^typedef .*?(\w+);")


def words(comment):
    """The text of a comment, one line a paragraph."""
    lines = [re.sub(r"^\s*\* ?", "", line).rstrip() for line in comment.strip("\n").split("\n")]
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines).strip())
    return [escape(" ".join(paragraph.split())) for paragraph in paragraphs if paragraph.strip()]


def escape(text):
    """Markdown takes nothing for markup but words in backquotes; names of ours become code."""
    parts = re.split(r"(`[^`]+`|\brhm_\w+(?:\.\w+)?|\bRHM_\w+)", text)
    plain = [re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", part) for part in parts[::2]]
    code = [part if part.startswith("`") else f"`{part}`" for part in parts[1::2]]
    return "".join(piece for pair in zip(plain, code + [""]) for piece in pair)


def name_of(code):
    for pattern in NAMES:
        found = re.search(pattern, code, re.M)
        if found:
            return found[1]
    return None


def in_comment(lines):
    text = "\n".join(lines)
    return text.rfind("/*") > text.rfind("*/")


def pieces(text):
    """(comment or "", code) of each group of lines that nothing separates, the comment of the file first with no code."""
    text = GUARD.sub("", re.sub(r"^#include .*\n", "", text, flags=re.M))
    found, depth, current = [], 0, []
    for line in text.split("\n"):
        if line.strip() or depth:
            current.append(line)
            code = re.sub(r"/\*.*?\*/", "", line)
            depth += code.count("{") - code.count("}") if not in_comment(current) else 0
        elif current:
            found.append("\n".join(current))
            current = []
    found.extend(["\n".join(current)] if current else [])
    for piece in found:
        if piece.strip() in ("}", 'extern "C" {', "#endif"):
            continue
        comment = COMMENT.match(piece)
        yield (comment[1], piece[comment.end():].strip("\n")) if comment else ("", piece)


def page(name, text):
    """Markdown of one header."""
    parts = list(pieces(text))
    lines = [f"# {name}", ""]
    for comment, code in parts:
        if code:
            title = name_of(code)
            lines += [f"## `{title}`", ""] if title else []
        for paragraph in words(comment) if comment else []:
            lines += [paragraph, ""]
        if code:
            lines += ["```c", code, "```", ""]
    return "\n".join(lines)


def summary(text):
    """The first sentence of the comment of the file."""
    first = words(next(pieces(text))[0])[0]
    return first.split(". ")[0].rstrip(".")
