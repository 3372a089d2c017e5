#include "account_source.hpp"

#include <system_error>

namespace postbox::cli {

Result<std::shared_ptr<Account>> AccountSource::get() {
  const std::scoped_lock lock(mutex_);
  const Stamp now = stamp();
  if (account_ && now == stamp_) return account_;
  account_.reset();
  auto opened = open_account(options_);
  if (!opened) return opened.error();
  account_ = std::make_shared<Account>(*std::move(opened));
  stamp_ = now;
  return account_;
}

AccountSource::Stamp AccountSource::stamp() const {
  std::error_code ignored;  // where there is no file, the environment alone counts
  return {std::filesystem::last_write_time(options_.env_file, ignored),
          std::filesystem::file_size(options_.env_file, ignored)};
}

}  // namespace postbox::cli
