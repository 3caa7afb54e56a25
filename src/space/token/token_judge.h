// Bearer tokens of all issuers that the node trusts: verified once, then known until they or their keys end.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "space/token/issuer_keys.h"
#include "space/token/token_rights.h"

namespace forebay::space {

/// One issuer that is trusted. Immutable but for the keys.
struct trusted_issuer {
  std::string name;   ///< in the configuration
  std::string issuer; ///< `iss` of its tokens, compared as a whole
  token_profile profile = token_profile::claims;
  std::vector<jwt_algorithm> algorithms; ///< that its tokens may be signed by
  claim_terms claims;
  std::shared_ptr<issuer_keys> keys;
};

/// A token of whose words each is its issuer's. Immutable.
struct verified_token {
  std::string issuer; ///< its name in the configuration
  wall_time until{};  ///< its end, leeway included
  std::shared_ptr<const nlohmann::json> claims;
  std::vector<path_right> rights; ///< of the issuer's profile
};

/// Thread-safe. What is remembered is a hash of a token under a random key of its own, never a token.
class token_judge {
public:
  token_judge(std::vector<trusted_issuer> issuers, std::size_t tokens_max, const clock& time);

  using verdict_of_token = result<std::shared_ptr<const verified_token>>;
  /// unauthorised: it is not what it should be, in words of ours; another kind: the issuer's keys cannot be had, and
  /// nobody is let in.
  net::task<verdict_of_token> judge(std::string token);

private:
  struct known {
    std::shared_ptr<const verified_token> token;
    issuer_keys::pointer keys; ///< that verified it: with others it has to be verified again
    const trusted_issuer* by;
  };
  struct shard {
    std::mutex mutex;
    std::unordered_map<key128, known, key128_hash> by_name;
    std::deque<key128> order; ///< the oldest first
  };
  static constexpr std::size_t shard_count = 16;

  shard& shard_of(const key128& name) noexcept { return shards_[name.bytes[0] % shard_count]; }
  key128 name_of(std::string_view token) const;
  std::optional<known> recall(const key128& name);
  void remember(const key128& name, known one);
  net::task<verdict_of_token> verify(std::string token, key128 name);

  const std::vector<trusted_issuer> issuers_;
  const std::size_t per_shard_;
  const clock& time_;
  std::array<std::uint8_t, 32> secret_{};
  std::array<shard, shard_count> shards_;
};

} // namespace forebay::space
