#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <stdexcept>
#include <thread>

namespace forebay::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(metrics, render_is_the_text_format) {
  registry all;
  const label get[] = {{"method", "GET"}};
  const label put[] = {{"method", "PUT"}};
  all.get_counter("forebay_requests_total", "Requests.", get).add(3);
  all.get_counter("forebay_requests_total", "Requests.", put).add();
  all.get_gauge("forebay_open", "Open\nconnections \\ now.").set(-2);
  EXPECT_EQ(all.render(), "# HELP forebay_open Open\\nconnections \\\\ now.\n"
                          "# TYPE forebay_open gauge\n"
                          "forebay_open -2\n"
                          "# HELP forebay_requests_total Requests.\n"
                          "# TYPE forebay_requests_total counter\n"
                          "forebay_requests_total{method=\"GET\"} 3\n"
                          "forebay_requests_total{method=\"PUT\"} 1\n");
}

TEST(metrics, label_values_are_escaped_and_made_valid) {
  registry all;
  const label odd[] = {{"origin", "a\"b\\c\nd\xff"}};
  all.get_counter("c_total", "h", odd).add();
  EXPECT_THAT(all.render(), HasSubstr("c_total{origin=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\"} 1\n"));
}

TEST(metrics, the_same_series_is_the_same_object) {
  registry all;
  const label one[] = {{"a", "1"}};
  EXPECT_EQ(&all.get_counter("c_total", "h", one), &all.get_counter("c_total", "h", one));
  EXPECT_NE(&all.get_counter("c_total", "h", one), &all.get_counter("c_total", "h"));
}

TEST(metrics, series_beyond_the_limit_share_one) {
  registry all;
  for (std::size_t i = 0; i < registry::series_limit + 50; ++i) {
    const std::string value = std::to_string(i);
    const label one[] = {{"host", value}};
    all.get_counter("c_total", "h", one).add();
  }
  const std::string text = all.render();
  EXPECT_THAT(text, HasSubstr("c_total{host=\"other\"} 50\n"));
  EXPECT_THAT(text, HasSubstr("c_total{host=\"199\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("host=\"200\"")));
  const label known[] = {{"host", "3"}};
  EXPECT_EQ(all.get_counter("c_total", "h", known).value(), 1u); // those that were there stay themselves
}

TEST(metrics, histogram_counts_cumulatively) {
  registry all;
  const double bounds[] = {0.1, 1};
  histogram& seen = all.get_histogram("h_seconds", "h", {}, bounds);
  for (const double value : {0.05, 0.1, 0.5, 2.0, 2.0}) seen.observe(value);
  seen.observe(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(seen.cumulative(), (std::vector<std::uint64_t>{2, 3, 5}));
  EXPECT_EQ(seen.count(), 5u);
  EXPECT_DOUBLE_EQ(seen.sum(), 4.65);
  EXPECT_THAT(all.render(), HasSubstr("h_seconds_bucket{le=\"0.1\"} 2\n"
                                      "h_seconds_bucket{le=\"1\"} 3\n"
                                      "h_seconds_bucket{le=\"+Inf\"} 5\n"
                                      "h_seconds_sum 4.65\n"
                                      "h_seconds_count 5\n"));
}

TEST(metrics, histogram_with_labels_puts_le_last) {
  registry all;
  const label one[] = {{"tier", "memory"}};
  const double bounds[] = {1};
  all.get_histogram("h_seconds", "h", one, bounds).observe(std::numeric_limits<double>::infinity());
  const std::string text = all.render();
  EXPECT_THAT(text, HasSubstr("h_seconds_bucket{tier=\"memory\",le=\"+Inf\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_count{tier=\"memory\"} 1\n"));
}

TEST(metrics, callbacks_are_asked_at_render_and_can_be_replaced) {
  registry all;
  double value = 1.5;
  all.set_callback("gauge", "g", "h", {}, [&value] { return value; });
  EXPECT_THAT(all.render(), HasSubstr("g 1.5\n"));
  value = std::numeric_limits<double>::infinity();
  EXPECT_THAT(all.render(), HasSubstr("g +Inf\n"));
  all.set_callback("gauge", "g", "h", {}, [] { return 4.0; });
  EXPECT_THAT(all.render(), HasSubstr("g 4\n"));
  all.set_callback("gauge", "g", "h", {}, nullptr);
  EXPECT_THAT(all.render(), Not(HasSubstr("\ng ")));
}

TEST(metrics, mistakes_of_the_program_are_loud) {
  registry all;
  all.get_counter("c_total", "h");
  all.set_callback("counter", "cb_total", "h", {}, [] { return 0.0; });
  const label le[] = {{"le", "1"}};
  const label bad[] = {{"a-b", "1"}};
  EXPECT_THROW(all.get_gauge("c_total", "h"), std::logic_error);
  EXPECT_THROW(all.get_counter("cb_total", "h"), std::logic_error);
  EXPECT_THROW(all.set_callback("counter", "c_total", "h", {}, [] { return 0.0; }), std::logic_error);
  EXPECT_THROW(all.set_callback("histogram", "x", "h", {}, [] { return 0.0; }), std::logic_error);
  EXPECT_THROW(all.get_counter("9c", "h"), std::logic_error);
  EXPECT_THROW(all.get_counter("", "h"), std::logic_error);
  EXPECT_THROW(all.get_counter("d_total", "h", le), std::logic_error);
  EXPECT_THROW(all.get_counter("d_total", "h", bad), std::logic_error);
  const double shrinking[] = {2, 1};
  EXPECT_THROW(all.get_histogram("h", "h", {}, shrinking), std::logic_error);
}

TEST(metrics, families_are_listed_for_the_reference) {
  registry all;
  all.get_counter("b_total", "Second.");
  all.get_histogram("a_seconds", "First.");
  const auto rows = all.families();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].name, "a_seconds");
  EXPECT_EQ(rows[0].type, "histogram");
  EXPECT_EQ(rows[1].help, "Second.");
}

TEST(metrics, samples_are_the_series_of_a_family) {
  registry all;
  const label one[] = {{"tier", "memory"}};
  all.get_counter("bytes_total", "h", one).add(5);
  all.set_callback("gauge", "g", "h", {}, [] { return 1.5; });
  const auto rows = all.samples("bytes_total");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].labels, "tier=\"memory\"");
  EXPECT_EQ(rows[0].value, 5);
  EXPECT_EQ(all.samples("g").at(0).value, 1.5);
  EXPECT_TRUE(all.samples("unknown").empty());
}

TEST(metrics, threads_register_add_and_render_together) {
  registry all;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&all] {
      for (int n = 0; n < 1000; ++n) {
        all.get_counter("c_total", "h").add();
        all.get_histogram("h_seconds", "h").observe(0.001);
        if (n % 100 == 0) static_cast<void>(all.render());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(all.get_counter("c_total", "h").value(), 4000u);
  EXPECT_EQ(all.get_histogram("h_seconds", "h").count(), 4000u);
  EXPECT_NEAR(all.get_histogram("h_seconds", "h").sum(), 4.0, 1e-9);
}

} // namespace
} // namespace forebay::metrics
