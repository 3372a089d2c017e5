// An order and its events in one transaction on PostgreSQL: there is an event exactly if there is
// an order.

#include <libpq-fe.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <klaviyo/klaviyo.hpp>
#include <memory>
#include <postbox/postgres_backend.hpp>
#include <postbox/postgres_put.hpp>
#include <string>

namespace {

using Connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;

bool run(PGconn* shop, const char* sql) {
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(shop, sql), &PQclear);
  if (PQresultStatus(result.get()) == PGRES_COMMAND_OK) return true;
  std::cerr << PQresultErrorMessage(result.get());
  return false;
}

klaviyo::Order order_of(const std::string& id) {
  klaviyo::Order order;
  order.order_id = id;
  order.currency = "EUR";
  order.customer.email = "ines@goldenacre.example";
  auto& item = order.items.emplace_back();
  item.product_id = "P1";
  item.name = "Thé vert";
  item.quantity = 2;
  item.unit_price = {1250};  // minor units: 12.50
  return order;
}

bool insert_order(PGconn* shop, const klaviyo::Order& order) {
  const char* id = order.order_id.c_str();
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(
      PQexecParams(shop, "INSERT INTO orders(id) VALUES ($1)", 1, nullptr, &id, nullptr, nullptr,
                   0),
      &PQclear);
  return PQresultStatus(result.get()) == PGRES_COMMAND_OK;
}

bool place(postbox::Tracker& tracker, PGconn* shop, const klaviyo::Order& order) {
  // Checked and encoded before the transaction, which stays short.
  const postbox::EventDraft draft = tracker.draft(klaviyo::order_placed(order));
  if (!draft.result)
    std::cerr << draft.result.to_string() << '\n';  // the order counts all the same

  if (!run(shop, "BEGIN")) return false;
  if (!insert_order(shop, order) || !postbox::put(shop, draft) || !run(shop, "COMMIT")) {
    run(shop, "ROLLBACK");  // no order, and no event
    return false;
  }
  tracker.look();  // else it travels within five seconds
  return true;
}

}  // namespace

// DATABASE_URL=postgresql://… is the shop's; POSTBOX_OUTBOX=postgres://… names the same database.
int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  const std::string id = argc > 1 ? argv[1] : "1001";

  auto config = klaviyo::Config::from_env();
  if (config) config->engine.outbox.backends.push_back(&postbox::postgres_backend());
  auto tracker = klaviyo::start(std::move(config));
  if (!tracker) {
    std::cerr << tracker.error().message << '\n';
    return 1;
  }

  const char* const url = std::getenv("DATABASE_URL");  // NOLINT(concurrency-mt-unsafe)
  const Connection shop(PQconnectdb(url != nullptr ? url : ""), &PQfinish);
  if (PQstatus(shop.get()) != CONNECTION_OK) {
    std::cerr << PQerrorMessage(shop.get());
    return 1;
  }
  if (!run(shop.get(), "CREATE TABLE IF NOT EXISTS orders (id text PRIMARY KEY)")) return 1;
  const bool is_placed = place(*tracker, shop.get(), order_of(id));
  std::cout << (is_placed ? "placed\n" : "not placed\n");

  tracker->flush(5s);  // a server would go on
  return is_placed ? 0 : 1;
}
