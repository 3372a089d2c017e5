// A Setting is one row of a Config's table of settings; a BoundSetting is the row with the member
// that it sets.
//
// Place:     each Config has one table, Config::settings(). What reads the environment, checks the
//            values, compares two configurations, shows what is in force and writes .env.example
//            and docs/configuration.md goes by it: a new setting is one row.
// Threads:   plain values; functions that are pure but for their arguments.
// Lifetime:  the texts of a row are constants of the program; rows keep nothing of a Config.
// Failure:   kInvalidConfig names the variable, the value (never a secret) and what is accepted.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <postbox/environment.hpp>
#include <postbox/result.hpp>

namespace postbox {

struct Setting {
  std::string_view variable;

  // The heading under which it is described. Empty: another table describes the variable.
  std::string_view section{};

  // One sentence or more, and what is accepted, as it goes on after "Accepts ".
  std::string_view about{};
  std::string_view accepted{};

  // As it is written in an environment file. Empty: none; then the example is shown.
  std::string_view default_value{};
  std::string_view example{};

  // Whether no log may show it. It may stand in a file of its own then: that of VARIABLE_FILE.
  bool is_secret = false;

  // Whether reload() applies it. The others need a restart.
  bool is_reloadable = false;

  // Whether most programs must set it.
  bool is_essential = false;
};

// The value of a setting, as it is in force.
struct SettingInForce {
  std::string_view name;   // the variable; constant
  std::string shown;       // as a log may show it: a secret is masked
  std::string identity{};  // of a secret, in this process: differs where two are shown alike
  bool needs_restart = false;
};

namespace detail {

inline std::string identity_of(const std::string& secret) {
  return secret.empty() ? std::string() : std::to_string(std::hash<std::string>{}(secret));
}

inline std::string identity_of(const std::vector<std::string>& secrets) {
  std::string all;
  for (const std::string& secret : secrets) all.append(secret).append(1, '\0');
  return identity_of(all);
}

// Secrets are strings: any other value needs no identity.
template <class T>
std::string identity_of(const T&) {
  return {};
}

struct AcceptAll {
  template <class T>
  Result<void> operator()(const T&) const {
    return {};
  }
};

}  // namespace detail

// The member of a member, for a BoundSetting.
template <class Outer, class Inner>
auto within(Outer outer, Inner inner) {
  return [=](auto& config) -> decltype(auto) {
    return std::invoke(inner, std::invoke(outer, config));
  };
}

template <class Config>
class BoundSetting {
 public:
  // `member` is a pointer to the member, or a function that returns a reference to it for a Config&
  // and for a const Config&. `parse` makes a Result of a text, `show` a text that a log may show of
  // the value, and `accept` a Result<void> of a value that was perhaps set in code.
  template <class Member, class Parse, class Show, class Check = detail::AcceptAll>
  BoundSetting(const Setting& setting, Member member, Parse parse, Show show, Check accept = {})
      : setting_(setting),
        parse_([=](std::string_view text, Config& config) -> Result<void> {
          auto value = parse(text);
          if (!value) return value.error();
          std::invoke(member, config) = *std::move(value);
          return {};
        }),
        show_([=](const Config& config) { return show(std::invoke(member, config)); }),
        identify_(
            [=](const Config& config) { return detail::identity_of(std::invoke(member, config)); }),
        check_([=](const Config& config) { return accept(std::invoke(member, config)); }),
        copy_([=](const Config& from, Config& to) {
          std::invoke(member, to) = std::invoke(member, from);
        }) {}

  [[nodiscard]] const Setting& setting() const noexcept { return setting_; }

  // Set the member, when the variable is set.
  [[nodiscard]] Result<void> read(const Environment& environment, Config& config) const {
    const std::string_view name = setting_.variable;
    const auto text = setting_.is_secret ? environment.read_secret(name) : environment.read(name);
    if (!text) return text.error();
    if (!*text) return {};
    const auto parsed = parse_(**text, config);
    if (!parsed) return parsed.error().with_context(environment.variable(name));
    return {};
  }

  [[nodiscard]] Result<void> check(const Config& config) const {
    const auto checked = check_(config);
    if (!checked) return checked.error().with_context(setting_.variable);
    return {};
  }

  [[nodiscard]] SettingInForce in_force(const Config& config) const {
    return {setting_.variable, show_(config),
            setting_.is_secret ? identify_(config) : std::string(), !setting_.is_reloadable};
  }

  // Give `to` the value of `from`.
  void copy(const Config& from, Config& to) const { copy_(from, to); }

 private:
  Setting setting_;
  std::function<Result<void>(std::string_view, Config&)> parse_;
  std::function<std::string(const Config&)> show_;
  std::function<std::string(const Config&)> identify_;
  std::function<Result<void>(const Config&)> check_;
  std::function<void(const Config&, Config&)> copy_;
};

// Set every member whose variable is set. What does not parse leaves its member as it is and an
// error in `errors`.
template <class Config>
void read_settings(const std::vector<BoundSetting<Config>>& settings,
                   const Environment& environment, Config& config, std::vector<Error>& errors) {
  for (const auto& setting : settings) {
    if (const auto ok = setting.read(environment, config); !ok) errors.push_back(ok.error());
  }
}

// Check every member, whoever has set it.
template <class Config>
void check_settings(const std::vector<BoundSetting<Config>>& settings, const Config& config,
                    std::vector<Error>& errors) {
  for (const auto& setting : settings) {
    if (const auto ok = setting.check(config); !ok) errors.push_back(ok.error());
  }
}

// Add every value, in the order of the table.
template <class Config>
void add_in_force(const std::vector<BoundSetting<Config>>& settings, const Config& config,
                  std::vector<SettingInForce>& in_force) {
  for (const auto& setting : settings) in_force.push_back(setting.in_force(config));
}

}  // namespace postbox
