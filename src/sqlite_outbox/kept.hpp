// Texts that belong to the store itself, such as the secret of its links: in the table meta, seven
// bytes to a row, since the table holds integers and has been in every format.
//
// Place:     inside the SQLite outbox.
// Threads:   one thread at a time per Database.
// Lifetime:  on disk. Keys "kept/NAME/00" to "99", and from there on "kept/NAME/:0100" and so on,
//            which sort behind; each value has the number of its bytes in the highest byte, and the
//            bytes below it. Do not change.
// Failure:   throws sqlite::Failure.
#pragma once

#include <string>
#include <string_view>

#include "sqlite/database.hpp"

namespace postbox::sqlite {

// Returns the text of that name; empty when there is none.
[[nodiscard]] std::string kept_text(Database& database, std::string_view name);

// The secret of the links stands in `meta`, in parts of seven bytes: a table of texts would be
// another format, which an older program refuses, and the secret must not keep anybody from going
// back a version.
//
// Puts a text, of kMaxKeptText bytes at most, in the place of the one that is there, inside the
// caller's transaction.
void replace_text(Database& database, std::string_view name, std::string_view text);

// Every text of `from`, or none when one cannot be read, inside the caller's transaction.
void copy_kept(Database& from, Database& to);

}  // namespace postbox::sqlite
