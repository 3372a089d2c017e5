#include <postbox/outbox.hpp>

namespace postbox {
namespace {

Error is_no_capability(std::string_view what) {
  return {ErrorCode::kInvalidArgument, "this outbox cannot " + std::string(what)};
}

}  // namespace

Result<Settled> Outbox::settle_all(std::span<const Decision> decisions) {
  Settled all;
  for (const Decision& decision : decisions) {
    const auto settled = settle(decision.token, decision.outcomes);
    if (!settled) return settled.error();
    all.applied += settled->applied;
    all.stale += settled->stale;
    all.ready_again |= settled->ready_again;
  }
  return all;
}

Result<std::vector<HeldEvent>> Outbox::held(const HeldFilter& /*filter*/, EventHandle /*after*/,
                                            std::size_t /*max*/) {
  return is_no_capability("list held events");
}

Result<std::vector<EventHandle>> Outbox::free_held(const HeldFilter& /*filter*/,
                                                   EventHandle /*after*/, std::size_t /*max*/) {
  return is_no_capability("free held events");
}

Result<std::size_t> Outbox::purge_held(const HeldFilter& /*filter*/) {
  return is_no_capability("remove held events");
}

Result<std::size_t> Outbox::rewrite_payloads(const PayloadRewrite& /*rewrite*/) {
  return is_no_capability("change payloads");
}

Result<Resealed> Outbox::reseal() { return is_no_capability("encrypt"); }

Result<std::vector<ListedEvent>> Outbox::list(EventHandle /*after*/, std::size_t /*max*/) {
  return is_no_capability("list events");
}

Result<Checked> Outbox::check() { return is_no_capability("check itself"); }

Result<void> Outbox::back_up(const std::string& /*file*/) {
  return is_no_capability("write a copy of itself");
}

Result<std::string> Outbox::keep(std::string_view /*name*/, std::string_view /*text*/) {
  return is_no_capability("keep texts");
}

Result<std::string> Outbox::exchange(std::string_view /*name*/, std::string_view /*text*/) {
  return is_no_capability("keep texts");
}

}  // namespace postbox
