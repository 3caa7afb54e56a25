#include "origin/prices.h"

#include <array>

namespace forebay::origin {
namespace {

struct price {
  std::string_view region_prefix; ///< the longest match counts
  double usd_per_gb;
};

/// AWS: regions of one price share a prefix.
constexpr std::array<price, 14> aws_prices{{
    {"", 0.09}, // North America, Europe
    {"ap-", 0.114},
    {"ap-east-1", 0.12},
    {"ap-northeast-2", 0.126},
    {"ap-south-", 0.1093},
    {"ap-southeast-1", 0.12},
    {"ap-southeast-3", 0.132},
    {"ap-southeast-5", 0.12},
    {"af-south-", 0.154},
    {"il-", 0.11},
    {"me-south-", 0.117},
    {"me-central-", 0.11},
    {"sa-east-", 0.15},
    {"us-gov-", 0.155},
}};
constexpr double google_usd_per_gb = 0.12; // premium tier, to most of the world
constexpr double azure_usd_per_gb = 0.087; // North America and Europe

double aws_price(std::string_view region) noexcept {
  price best = aws_prices[0];
  for (const price& each : aws_prices) {
    const bool longer = each.region_prefix.size() > best.region_prefix.size();
    if (longer && region.starts_with(each.region_prefix)) best = each;
  }
  return best.usd_per_gb;
}

/// The region in "s3.<region>" or "bucket.s3.<region>" before ".amazonaws.com".
std::string_view region_of_host(std::string_view host) noexcept {
  const std::size_t at = host.rfind("s3.");
  if (at == std::string_view::npos) return {};
  const std::string_view rest = host.substr(at + 3);
  return rest.substr(0, rest.find('.'));
}

} // namespace

double list_price_usd_per_gb(std::string_view host, std::string_view region) noexcept {
  if (host.ends_with("amazonaws.com")) {
    const std::string_view told = region_of_host(host);
    const bool unknown = told.empty() || told == "amazonaws";
    return aws_price(unknown ? region : told);
  }
  if (host.ends_with("storage.googleapis.com")) return google_usd_per_gb;
  if (host.ends_with(".blob.core.windows.net")) return azure_usd_per_gb;
  return 0;
}

} // namespace forebay::origin
