#include "net/tls/tickets.h"

#include <algorithm>
#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace forebay::net {
namespace {

void forget(ticket_keys::key& one) noexcept { OPENSSL_cleanse(&one, sizeof one); }

} // namespace

ticket_keys::~ticket_keys() {
  for (key& one : keys_) forget(one);
}

void ticket_keys::set_rotation(std::chrono::milliseconds rotation) {
  const std::lock_guard hold(lock_);
  rotation_ = rotation;
}

bool ticket_keys::rotate_if_due() {
  const steady_time now = clock_.steady();
  if (!keys_.empty() && now - keys_.front().made < rotation_) return true;
  // Idle for two rounds: what the older keys sealed is older than its promise.
  while (!keys_.empty() && (keys_.size() >= 2 || now - keys_.back().made >= 2 * rotation_)) {
    forget(keys_.back());
    keys_.pop_back();
  }
  key made{};
  made.made = now;
  const bool random = RAND_bytes(made.name.data(), static_cast<int>(made.name.size())) == 1 &&
                      RAND_priv_bytes(made.cipher.data(), static_cast<int>(made.cipher.size())) == 1 &&
                      RAND_priv_bytes(made.authenticator.data(), static_cast<int>(made.authenticator.size())) == 1;
  if (random) keys_.push_front(made);
  forget(made);
  return random;
}

std::optional<ticket_keys::key> ticket_keys::current() {
  const std::lock_guard hold(lock_);
  if (!rotate_if_due()) return std::nullopt;
  return keys_.front();
}

std::optional<ticket_keys::found> ticket_keys::find(std::span<const unsigned char, 16> name) {
  const std::lock_guard hold(lock_);
  rotate_if_due();
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (std::equal(name.begin(), name.end(), keys_[i].name.begin())) return found{keys_[i], i > 0};
  }
  return std::nullopt;
}

} // namespace forebay::net
