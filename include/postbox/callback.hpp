// Callback<R(Args...)> is a function that the host gives to Postbox. Spelled like std::function,
// whose header costs every file that includes it 21,000 lines.
//
// Place:     LogSink and Config::on_undeliverable.
// Threads:   a plain value; calling it is as safe as the function that it holds.
// Lifetime:  owns a copy of the function.
// Failure:   must not be called while it is empty.
#pragma once

#include <cassert>
#include <concepts>
#include <cstddef>
#include <type_traits>

namespace postbox {

template <class Signature>
class Callback;

template <class R, class... Args>
class Callback<R(Args...)> {
 public:
  Callback() = default;
  Callback(std::nullptr_t) {}  // NOLINT(google-explicit-constructor)

  // Takes whatever can be called and copied; a null pointer or an empty std::function is nothing.
  template <class F>
  requires(!std::same_as<std::remove_cvref_t<F>, Callback> &&
           std::is_invocable_r_v<R, std::decay_t<F>&, Args...> &&
           std::copy_constructible<std::decay_t<F>>)
      Callback(F&& function) {  // NOLINT(google-explicit-constructor)
    using Function = std::decay_t<F>;
    constexpr bool kIsStdFunction = requires { function.target_type(); };
    if constexpr (std::is_pointer_v<Function> || kIsStdFunction) {
      if (function == nullptr) return;
    }
    function_ = new Function(static_cast<F&&>(function));
    traits_ = &kTraits<Function>;
  }

  Callback(const Callback& other)
      : function_(other.function_ == nullptr ? nullptr : other.traits_->copy(other.function_)),
        traits_(other.traits_) {}
  Callback(Callback&& other) noexcept : function_(other.function_), traits_(other.traits_) {
    other.function_ = nullptr;
  }
  Callback& operator=(Callback other) noexcept {
    void* const function = function_;
    const Traits* const traits = traits_;
    function_ = other.function_;
    traits_ = other.traits_;
    other.function_ = function;
    other.traits_ = traits;
    return *this;
  }
  ~Callback() {
    if (function_ != nullptr) traits_->destroy(function_);
  }

  explicit operator bool() const noexcept { return function_ != nullptr; }
  friend bool operator==(const Callback& callback, std::nullptr_t) noexcept { return !callback; }

  R operator()(Args... args) const {
    assert(function_ != nullptr);
    return traits_->call(function_, static_cast<Args&&>(args)...);
  }

 private:
  struct Traits {
    R (*call)(void*, Args&&...);
    void* (*copy)(const void*);
    void (*destroy)(void*) noexcept;
  };
  template <class F>
  static constexpr Traits kTraits = {
      [](void* f, Args&&... args) -> R {
        return (*static_cast<F*>(f))(static_cast<Args&&>(args)...);
      },
      [](const void* f) -> void* { return new F(*static_cast<const F*>(f)); },
      [](void* f) noexcept { delete static_cast<F*>(f); }};

  void* function_ = nullptr;
  const Traits* traits_ = nullptr;
};

}  // namespace postbox
