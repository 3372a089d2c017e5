#include "migrate.hpp"

#include <optional>
#include <string>

#include "failure.hpp"

namespace postbox::postgres {
namespace {

struct Version {
  std::int64_t tables = 0;
  std::int64_t oldest_library = 0;
};

// A look at pg_class lets the server hear of tables that others have made while this waited for a
// lock: without it, it believes what it knew before. (Only the first look of a transaction does.)
Version version_of(Transaction& transaction, const Schema& schema) {
  const std::string meta(schema.meta);
  const std::string look = "SELECT to_regclass('" + meta + "') IS NOT NULL FROM pg_class LIMIT 1";
  if (!transaction.run(look.c_str()).boolean(0, 0)) return {};
  const std::string ask = "SELECT (SELECT value FROM " + meta +
                          " WHERE name = 'version'), (SELECT value FROM " + meta +
                          " WHERE name = 'oldest_library')";
  const Rows rows = transaction.run(ask.c_str());
  return {rows.integer(0, 0), rows.integer(0, 1)};
}

void check(const Version& version, const Schema& schema) {
  if (version.oldest_library <= schema.version()) return;
  throw Failure(Error{ErrorCode::kOutboxTooNew,
                      "the tables have version " + std::to_string(version.tables) +
                          ", which libraries from version " +
                          std::to_string(version.oldest_library) +
                          " on can use, and this one has version " +
                          std::to_string(schema.version()) + ": run the newer one again"});
}

// A role that may not create tables does not try: the server's words would say which right is
// missing, and not what to do.
void check_rights(Transaction& transaction, const Version& version, const Schema& schema) {
  const Rows rows = transaction.run(
      "SELECT current_schema() IS NOT NULL,"
      " coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)");
  if (!rows.boolean(0, 0)) {
    throw Failure(
        Error{ErrorCode::kOutboxUnavailable,
              "no schema that search_path names is there, or this role may not use it: create it, "
              "run the script of docs/postgres.md, or name another in POSTBOX_OUTBOX"});
  }
  if (rows.boolean(0, 1)) return;
  throw Failure(Error{
      ErrorCode::kOutboxUnavailable,
      (version.tables == 0 ? std::string("the tables are not there")
                           : "the tables have version " + std::to_string(version.tables) +
                                 " and this library needs " + std::to_string(schema.version())) +
          ", and this role may not change them: start a program once as their owner, or run the "
          "files of share/postbox/postgres as that, see docs/postgres.md"});
}

}  // namespace

void migrate(Session& session, const Schema& schema) {
  if (schema.steps.empty()) return;
  {
    Transaction look(session, Transaction::Kind::kRead);
    const Version version = version_of(look, schema);
    check(version, schema);
    if (version.tables >= schema.version()) return look.commit();
    check_rights(look, version, schema);
    look.commit();
  }
  Transaction transaction(session, Transaction::Kind::kDurable);
  transaction.run("SELECT pg_advisory_xact_lock(hashtext('postbox'), hashtext(current_schema()))");
  const Version version = version_of(transaction, schema);  // somebody may have been quicker
  check(version, schema);
  for (std::int64_t step = version.tables; step < schema.version(); ++step) {
    session.connection.run_script("SET LOCAL statement_timeout = 0");
    session.connection.run_script(schema.steps[static_cast<std::size_t>(step)]);
  }
  transaction.commit();
}

}  // namespace postbox::postgres
