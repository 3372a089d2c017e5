#include <atomic>
#include <exception>
#include <mutex>
#include <stripe/reception.hpp>
#include <stripe/webhook.hpp>
#include <utility>

#include "base/fork_gate.hpp"

namespace stripe {

using postbox::Result;
using postbox::WallTime;

// In a child of a fork() the parent's reception is of no use: its thread runs in the parent, and
// its locks may be taken forever. A webhook of the child's own, with the same settings, takes its
// place.
struct Webhook::Impl {
  Impl(Config settings, postbox::Tracker& target)
      : tracker(target), reception(std::move(settings), target) {}

  [[nodiscard]] bool is_foreign() const noexcept { return process != postbox::fork_generation(); }

  // Returns null when the child can use nothing.
  [[nodiscard]] Impl* in_this_process() noexcept try {
    if (!is_foreign()) return this;
    if (Impl* const found = child.load()) return found->in_this_process();
    if (!postbox::forked_at_rest()) return nullptr;
    const postbox::NoFork no_fork;
    if (!postbox::forked_at_rest()) return nullptr;
    static std::mutex inheriting;  // taken inside NoFork only, so that no child inherits it taken
    const std::lock_guard lock(inheriting);
    if (child == nullptr) child = new Impl(reception.config_in_force(), tracker);
    return child.load()->in_this_process();
  } catch (const std::exception&) {  // without memory
    return nullptr;
  }

  // In a child the parent's is left as it is: its end would wait for a thread of the parent's.
  static void detach(Impl* impl) noexcept {
    if (impl == nullptr) return;
    if (!impl->is_foreign()) return delete impl;
    detach(impl->child.exchange(nullptr));
  }

  const std::uint64_t process = postbox::fork_generation();
  postbox::Tracker& tracker;
  Reception reception;
  std::atomic<Impl*> child{nullptr};
  std::atomic<std::uint64_t> turned_away{0};
};

Result<Webhook> Webhook::start(Config config, postbox::Tracker& tracker) {
  if (auto ok = config.validate(); !ok) return ok.error().with_context("stripe::Config");
  try {
    if (config.secrets.empty() && config.log) {
      config.log(
          postbox::LogLevel::kWarn,
          "Stripe webhooks are off: STRIPE_WEBHOOK_SECRET is not set; each is answered with 503");
    }
    return Webhook(new Impl(std::move(config), tracker));
  } catch (const std::exception& failure) {
    return postbox::Error{postbox::ErrorCode::kInternal,
                          std::string("cannot start: ") + failure.what()};
  }
}

Result<Webhook> Webhook::start(Result<Config> config, postbox::Tracker& tracker) {
  if (!config) return config.error();
  return start(*std::move(config), tracker);
}

Webhook::Webhook(Impl* impl) : impl_(impl) {}
Webhook::Webhook(Webhook&&) noexcept = default;
Webhook& Webhook::operator=(Webhook&&) noexcept = default;
Webhook::~Webhook() = default;
void Webhook::Detach::operator()(Impl* impl) const noexcept { Impl::detach(impl); }

Webhook::Impl* Webhook::in_this_process() const noexcept {
  return impl_ ? impl_->in_this_process() : nullptr;
}

Answer Webhook::handle(std::string_view body, std::string_view signature) {
  if (Impl* const impl = in_this_process()) return impl->reception.handle(body, signature);
  if (!impl_) return {503, "the webhook was moved away"};
  ++impl_->turned_away;
  return {503, "forked in the middle of a call"};
}

Counts Webhook::counts() const {
  if (const Impl* const impl = in_this_process()) return impl->reception.counts();
  Counts counts;
  if (impl_) counts.received = counts.failed = impl_->turned_away;
  return counts;
}

Result<void> Webhook::reload() {
  if (Impl* const impl = in_this_process()) return impl->reception.reload();
  return postbox::Error{postbox::ErrorCode::kClosed, "the webhook cannot be used in this process"};
}

std::map<std::string, std::uint64_t> Webhook::unhandled() const {
  const Impl* const impl = in_this_process();
  return impl != nullptr ? impl->reception.unhandled() : std::map<std::string, std::uint64_t>();
}

Result<std::size_t> Webhook::forget(std::string_view email) {
  if (Impl* const impl = in_this_process()) return impl->reception.forget(email);
  return postbox::Error{postbox::ErrorCode::kClosed, "the webhook cannot be used in this process"};
}

std::optional<WallTime> Webhook::run_once() {
  Impl* const impl = in_this_process();
  return impl != nullptr ? impl->reception.run_once() : std::nullopt;
}

}  // namespace stripe
