// What clouds answer: listings, errors, issued keys and tokens. The first byte chooses; the rest is the body.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "origin/azure/list_page.h"
#include "origin/error_body.h"
#include "origin/gcs/list_page.h"
#include "origin/gcs/tokens.h"
#include "origin/s3/key_services.h"
#include "origin/token_service.h"

namespace {

using namespace forebay::origin;

/// Entries have a key, and come in the order of their keys.
template <class Page>
void check_page(const forebay::result<Page>& page) {
  if (!page) return;
  std::string_view last;
  for (const list_entry& each : page->entries) {
    if (each.key.empty() || each.key < last) std::abort();
    last = each.key;
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 6) {
  case 0: check_page(gcs::parse_list_page(body, "x")); break;
  case 1: check_page(azure::parse_list_page(body, "x")); break;
  case 2: {
    const error_words words = parse_error_body(body);
    for (const char c : words.detail.code + words.detail.message)
      if (static_cast<unsigned char>(c) < 0x20) std::abort();
    break;
  }
  case 3: (void)s3::parse_metadata_keys(body, "x"); break;
  case 4: (void)s3::parse_sts_keys(body, "x"); break;
  default: (void)parse_token_answer(body, "x", {}); (void)gcs::parse_key_file(body, "x");
  }
  return 0;
}
