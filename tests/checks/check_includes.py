#!/usr/bin/env python3
"""Every file of what consumers compile includes what it names of the standard library, itself or by
headers of the project. The compiler does not say so where files are compiled together, nor where one
standard header happens to bring another.
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("include", "src", "integrations")

# Names of std, and the headers of which one is needed.
NAMES = {
    "array": "array", "atomic": "atomic", "bitset": "bitset", "chrono": "chrono", "span": "span",
    "condition_variable": "condition_variable", "deque": "deque", "filesystem": "filesystem",
    "function": "functional", "ifstream": "fstream", "ofstream": "fstream", "future": "future",
    "list": "list", "map": "map", "unordered_map": "unordered_map", "unordered_set": "unordered_set",
    "set": "set", "optional": "optional", "nullopt": "optional", "variant": "variant", "visit": "variant",
    "mutex": "mutex", "lock_guard": "mutex", "unique_lock": "mutex", "once_flag": "mutex",
    "shared_mutex": "shared_mutex", "thread": "thread", "random_device": "random", "mt19937_64": "random",
    "string": "string", "to_string": "string", "string_view": "string_view", "ostringstream": "sstream",
    "istringstream": "sstream", "unique_ptr": "memory", "shared_ptr": "memory", "weak_ptr": "memory",
    "make_unique": "memory", "make_shared": "memory", "vector": "vector", "numeric_limits": "limits",
    "regex": "regex", "from_chars": "charconv", "to_chars": "charconv", "accumulate": "numeric",
    "bad_alloc": "new", "exception_ptr": "exception", "terminate": "exception", "byte": "cstddef",
    "strtol": "cstdlib", "getenv": "cstdlib", "abort": "cstdlib", "memcpy": "cstring", "memcmp": "cstring",
    "strlen": "cstring", "snprintf": "cstdio", "fprintf": "cstdio", "error_code": "system_error",
    "llround": "cmath", "isfinite": "cmath", "bit_cast": "bit", "bit_width": "bit",
    "same_as": "concepts", "convertible_to": "concepts", "partial_ordering": "compare",
    "sort": "algorithm", "find_if": "algorithm", "any_of": "algorithm", "all_of": "algorithm",
    "none_of": "algorithm", "count_if": "algorithm", "lower_bound": "algorithm", "clamp": "algorithm",
    "max_element": "algorithm", "min_element": "algorithm", "transform": "algorithm",
}

INCLUDE = re.compile(r'^\s*#include ([<"])([^>"]+)[>"]', re.M)
CODE = re.compile(r'//[^\n]*|/\*.*?\*/|R"\w*\(.*?\)\w*"|"(?:\\.|[^"\\\n])*"', re.S)
USE = re.compile(r'\bstd::(?:ranges::|chrono::)?(\w+)')


def resolve(name, quoted, of):
    places = [of.parent / name] if quoted else []
    places += [root / folder / name for folder in FOLDERS]
    return next((place.resolve() for place in places if place.is_file()), None)


def included(path, known={}):
    """The standard headers that a file has, by itself and by the project's headers."""
    if path in known:
        return known[path]
    known[path] = headers = set()
    for quote, name in INCLUDE.findall(path.read_text()):
        own = resolve(name, quote == '"', path)
        headers |= included(own) if own else {name}
    return headers


def missing(path):
    code = CODE.sub("", path.read_text())
    used = set(USE.findall(code)) | ({"chrono"} if "std::chrono" in code else set())
    headers = included(path)
    return sorted({NAMES[name] for name in used & NAMES.keys() if NAMES[name] not in headers})


problems = [f"{path.relative_to(root)}: <{header}> is not included"
            for folder in FOLDERS for path in sorted((root / folder).rglob("*.?pp"))
            for header in missing(path)]
print("\n".join(problems) or "every file includes what it names of the standard library")
sys.exit(bool(problems))
