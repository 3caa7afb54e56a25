#include "front/request_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace forebay::front {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

request_metrics::exchange exchange(std::string_view space, std::string_view outcome) {
  request_metrics::exchange done;
  done.method = "GET";
  done.outcome = outcome;
  done.name_space = space;
  done.status = 206;
  done.served = {2'000'000'000, 400'000'000, 100'000'000, 70};
  done.egress_usd_per_gb = 0.09;
  done.first_byte = std::chrono::milliseconds(3);
  done.total = std::chrono::milliseconds(30);
  return done;
}

TEST(money, bytes_that_did_not_cross_times_the_price) {
  EXPECT_EQ(saved_picodollars({1'000'000'000, 0, 0}, 0.09), 90'000'000'000u);
  EXPECT_EQ(saved_picodollars({0, 500'000'000, 0}, 0.12), 60'000'000'000u);
  EXPECT_EQ(saved_picodollars({0, 0, 1'000'000'000, 0}, 0.09), 90'000'000'000u);
  EXPECT_EQ(saved_picodollars({0, 0, 0, 1'000'000'000}, 0.09), 0u); // it did cross
  EXPECT_EQ(saved_picodollars({4096, 0, 0}, 0.09), 368'640u);
  EXPECT_EQ(saved_picodollars({4096, 0, 0}, 0), 0u);
  EXPECT_EQ(saved_picodollars({4096, 0, 0}, -1), 0u);
}

TEST(request_metrics, one_exchange) {
  metrics::registry registry;
  request_metrics seen(registry);
  seen.began();
  EXPECT_THAT(registry.render(), HasSubstr("forebay_requests_in_flight 1\n"));
  seen.finished(exchange("/era5", "hit"));
  const std::string text = registry.render();
  EXPECT_THAT(text, HasSubstr("forebay_requests_in_flight 0\n"));
  EXPECT_THAT(text, HasSubstr("forebay_requests_total{outcome=\"hit\",method=\"GET\",status=\"2xx\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("forebay_served_bytes_total{namespace=\"/era5\",tier=\"memory\"} 2000000000\n"));
  EXPECT_THAT(text, HasSubstr("forebay_served_bytes_total{namespace=\"/era5\",tier=\"origin\"} 70\n"));
  EXPECT_THAT(text, HasSubstr("forebay_saved_usd_total{namespace=\"/era5\"} 0.225\n"));
  EXPECT_THAT(text, HasSubstr("forebay_first_byte_seconds_count{outcome=\"hit\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("forebay_broken_responses_total 0\n"));
}

TEST(request_metrics, odd_words_have_a_place) {
  metrics::registry registry;
  request_metrics seen(registry);
  seen.began();
  auto odd = exchange("", "nonsense");
  odd.method = "BREW";
  odd.status = 799;
  odd.complete = false;
  seen.finished(odd);
  const std::string text = registry.render();
  EXPECT_THAT(text, HasSubstr("forebay_requests_total{outcome=\"other\",method=\"other\",status=\"5xx\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("forebay_broken_responses_total 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("forebay_served_bytes_total{")));
}

TEST(request_metrics, many_namespaces_share_one_label) {
  metrics::registry registry;
  request_metrics seen(registry);
  constexpr std::size_t count = request_metrics::namespaces_max + 30;
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < count; ++i) {
      seen.began();
      seen.finished(exchange("/n" + std::to_string(i), "hit"));
    }
  }
  const auto rows = registry.samples("forebay_namespace_requests_total");
  EXPECT_EQ(rows.size(), request_metrics::namespaces_max + 1);
  double sum = 0, other = 0;
  for (const auto& row : rows) {
    sum += row.value;
    if (row.labels == "namespace=\"other\"") other = row.value;
  }
  EXPECT_EQ(sum, 2.0 * static_cast<double>(count));
  EXPECT_EQ(other, 60);
}

TEST(request_metrics, errors_by_kind) {
  metrics::registry registry;
  request_metrics seen(registry);
  seen.failed(error_kind::unreachable);
  seen.failed(error_kind::unreachable);
  seen.failed(error_kind::internal);
  const std::string text = registry.render();
  EXPECT_THAT(text, HasSubstr("forebay_errors_total{kind=\"unreachable\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("forebay_errors_total{kind=\"internal\"} 1\n"));
}

} // namespace
} // namespace forebay::front
