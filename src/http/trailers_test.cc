#include "http/trailers.h"

#include <gtest/gtest.h>

namespace forebay::http {
namespace {

TEST(Trailers, WhatDecidesOrFramesDoesNotComeBehindABody) {
  header_table fields;
  for (const char* name :
       {"Content-Length", "Transfer-Encoding", "Host", "Cache-Control", "Set-Cookie", "Authorization", "Content-Type",
        "Trailer", "Connection", "X-Sum", "Repr-Digest", "Server-Timing"})
    fields.add(name, "x");
  remove_unfit_trailers(fields);
  std::string left;
  fields.render_to(left);
  EXPECT_EQ(left, "X-Sum: x\r\nRepr-Digest: x\r\nServer-Timing: x\r\n");
}

TEST(Trailers, AreThereOnceTheyWereSet) {
  late_trailers late;
  EXPECT_EQ(late.get(), nullptr);
  late.set({});
  EXPECT_EQ(late.get(), nullptr);
  header_table fields;
  fields.add("X-Sum", "6");
  late.set(fields);
  ASSERT_NE(late.get(), nullptr);
  EXPECT_EQ(late.get()->get("x-sum"), "6");
}

} // namespace
} // namespace forebay::http
