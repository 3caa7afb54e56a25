// What stores charge for data that leaves them: public list prices, to show what a cache saves.
#pragma once

#include <string_view>

namespace forebay::origin {

/// When the table was last compared with the public price lists.
inline constexpr std::string_view list_prices_as_of = "2025-01";

/// US dollars per GB (10^9 bytes) to the Internet at the first paid volume tier, for a store by its host and, where
/// the host does not tell, its region. 0 where nothing is charged or the store is unknown.
/// Sources: aws.amazon.com/s3/pricing, cloud.google.com/storage/pricing,
/// azure.microsoft.com/pricing/details/bandwidth, developers.cloudflare.com/r2/pricing, wasabi.com/pricing.
double list_price_usd_per_gb(std::string_view host, std::string_view region) noexcept;

} // namespace forebay::origin
