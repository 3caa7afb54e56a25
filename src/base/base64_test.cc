#include "base/base64.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace forebay {
namespace {

TEST(Base64, AgreesWithTheStandardsVectors) { // RFC 4648 §10
  for (const auto& [plain, coded] :
       std::vector<std::pair<const char*, const char*>>{{"", ""},
                                                        {"f", "Zg=="},
                                                        {"fo", "Zm8="},
                                                        {"foo", "Zm9v"},
                                                        {"foob", "Zm9vYg=="},
                                                        {"fooba", "Zm9vYmE="},
                                                        {"foobar", "Zm9vYmFy"},
                                                        {"\xff\xfe\xfd\xfc", "//79/A=="}}) {
    EXPECT_EQ(base64_encode(plain), coded);
    EXPECT_EQ(base64_decode(coded), plain);
  }
}

TEST(Base64, TheFormForUrlsHasNoPadding) {
  EXPECT_EQ(base64url_encode("\xfb\xff"), "-_8");
  EXPECT_EQ(base64_encode("\xfb\xff"), "+/8=");
  for (const char* plain : {"", "f", "fo", "foo", "\xfb\xff"})
    EXPECT_EQ(base64url_decode(base64url_encode(plain)), plain);
  for (const char* bad : {"+/8", "-_8=", "Z", "!"}) EXPECT_FALSE(base64url_decode(bad)) << bad;
}

TEST(Base64, OtherTextIsRefused) {
  for (const char* bad : {"Zm9", "Zm9v!mFy", "Zm=vYmFy", "====", "-_8="}) EXPECT_FALSE(base64_decode(bad)) << bad;
}

} // namespace
} // namespace forebay
