// The dialects of the stores that speak HTTP, for conformance_test.cc.
#pragma once

#include <algorithm>
#include <string>

#include "origin/testing/store_under_test.h"

namespace forebay::origin::testing {

class s3_store final : public http_store {
public:
  std::string url() override {
    return "s3://bucket/base?anonymous=true&region=us-east-1&endpoint=" + percent_encode(base());
  }

private:
  std::string key_of(const std::string& path) const override {
    return path.substr(std::min(path.size(), prefix.size()));
  }
  bool is_listing(const request& asked) const override { return asked.path == "/bucket"; }
  std::string list(const request& asked) const override {
    const std::string token = asked.parameter("continuation-token");
    std::string after = token.empty() ? asked.parameter("start-after") : token;
    if (after.starts_with("base/")) after.erase(0, 5);
    const page now = make_page(asked.parameter("prefix").substr(5), asked.parameter("delimiter") == "/", after,
                               *parse_u64(asked.parameter("max-keys")));
    std::string text = "<ListBucketResult><EncodingType>url</EncodingType>";
    for (const auto& [key, length] : now.objects) {
      text += "<Contents><Key>" + percent_encode("base/" + key) + "</Key><Size>" + std::to_string(length) +
              "</Size></Contents>";
    }
    for (const std::string& each : now.prefixes)
      text += "<CommonPrefixes><Prefix>" + percent_encode("base/" + each) + "</Prefix></CommonPrefixes>";
    if (!now.next.empty())
      text +=
          "<IsTruncated>true</IsTruncated><NextContinuationToken>" + xml_escape(now.next) + "</NextContinuationToken>";
    return text + "</ListBucketResult>";
  }
  const std::string prefix = "/bucket/base/";
};

class gcs_store final : public http_store {
public:
  std::string url() override { return "gs://bucket/base?anonymous=true&endpoint=" + percent_encode(base()); }

private:
  std::string key_of(const std::string& path) const override {
    return path.substr(std::min(path.size(), prefix.size()));
  }
  bool is_listing(const request& asked) const override { return asked.path == "/storage/v1/b/bucket/o"; }
  std::string version_fields(const object& one) const override {
    return "ETag: \"e\"\r\nx-goog-generation: " + std::to_string(one.version) + "\r\n";
  }
  bool is_version(const request& asked, const object& one) const override {
    const std::string wanted = asked.field("x-goog-if-generation-match");
    return wanted.empty() || wanted == std::to_string(one.version);
  }
  std::string list_fields() const override { return "Content-Type: application/json\r\n"; }
  std::string list(const request& asked) const override {
    std::string after = asked.parameter("pageToken");
    const std::string offset = asked.parameter("startOffset");
    // startOffset includes its key; nothing sorts between a key and the one before its last byte, one less, and 0xff.
    if (after.empty() && offset.size() > 5) {
      after = offset.substr(5);
      after.back() = static_cast<char>(after.back() - 1);
      after += '\xff';
    }
    const page now = make_page(asked.parameter("prefix").substr(5), asked.parameter("delimiter") == "/", after,
                               *parse_u64(asked.parameter("maxResults")));
    std::string items, prefixes;
    for (const auto& [key, length] : now.objects) {
      items += std::string(items.empty() ? "" : ",") + R"({"name": "base/)" + key + R"(", "size": ")" +
               std::to_string(length) + R"("})";
    }
    for (const std::string& each : now.prefixes)
      prefixes += std::string(prefixes.empty() ? "" : ",") + "\"base/" + each + "\"";
    return "{\"nextPageToken\": \"" + now.next + "\", \"items\": [" + items + "], \"prefixes\": [" + prefixes + "]}";
  }
  const std::string prefix = "/bucket/base/";
};

class azure_store final : public http_store {
public:
  std::string url() override { return "az://account/data/base?anonymous=true&endpoint=" + percent_encode(base()); }

private:
  std::string key_of(const std::string& path) const override {
    return path.substr(std::min(path.size(), prefix.size()));
  }
  bool is_listing(const request& asked) const override { return asked.parameter("comp") == "list"; }
  std::string list(const request& asked) const override {
    const page now = make_page(asked.parameter("prefix").substr(5), asked.parameter("delimiter") == "/",
                               asked.parameter("marker"), *parse_u64(asked.parameter("maxresults")));
    std::string text = "<EnumerationResults><Blobs>";
    for (const auto& [key, length] : now.objects) {
      text += "<Blob><Name>" + xml_escape("base/" + key) + "</Name><Properties><Content-Length>" +
              std::to_string(length) + "</Content-Length></Properties></Blob>";
    }
    for (const std::string& each : now.prefixes)
      text += "<BlobPrefix><Name>" + xml_escape("base/" + each) + "</Name></BlobPrefix>";
    return text + "</Blobs><NextMarker>" + xml_escape(now.next) + "</NextMarker></EnumerationResults>";
  }
  const std::string prefix = "/data/base/";
};

class swift_store final : public http_store {
public:
  std::string url() override { return "swift://bucket/base?storage_url=" + percent_encode(base() + "/v1/AUTH_lab"); }

private:
  std::string key_of(const std::string& path) const override {
    return path.substr(std::min(path.size(), prefix.size()));
  }
  bool is_listing(const request& asked) const override { return asked.path == "/v1/AUTH_lab/bucket"; }
  std::string version_fields(const object& one) const override {
    return "Etag: v" + std::to_string(one.version) + "\r\n"; // without quotes, as Swift writes it
  }
  std::string list_fields() const override { return "Content-Type: application/json\r\n"; }
  std::string list(const request& asked) const override {
    std::string after = asked.parameter("marker");
    if (after.starts_with("base/")) after.erase(0, 5);
    const page now = make_page(asked.parameter("prefix").substr(5), asked.parameter("delimiter") == "/", after,
                               *parse_u64(asked.parameter("limit")));
    std::map<std::string, std::string> items; // one list, in order
    for (const auto& [key, length] : now.objects)
      items[key] = R"({"name": "base/)" + key + R"(", "bytes": )" + std::to_string(length) + "}";
    for (const std::string& each : now.prefixes) items[each] = R"({"subdir": "base/)" + each + R"("})";
    std::string text;
    for (const auto& [key, item] : items) text += (text.empty() ? "" : ",") + item;
    return "[" + text + "]";
  }
  const std::string prefix = "/v1/AUTH_lab/bucket/base/";
};

class web_store final : public http_store {
public:
  std::string url() override { return base() + "/base"; }
  bool lists_pages() const override { return false; }

private:
  std::string key_of(const std::string& path) const override {
    return path.substr(std::min<std::size_t>(path.size(), 6));
  }
  bool is_listing(const request& asked) const override { return asked.path.ends_with('/'); }
  std::string list_fields() const override { return "Content-Type: text/html\r\n"; }
  std::string list(const request& asked) const override {
    const std::string directory = key_of(asked.path);
    const page now = make_page(directory, true, "", 1'000'000);
    std::string text = "<html><head><title>Index of /</title></head><body><pre><a href=\"../\">../</a>\n";
    for (const auto& [key, length] : now.objects) {
      const std::string name = percent_encode(key.substr(directory.size()));
      text += "<a href=\"" + name + "\">" + name + "</a> 01-May-2024 12:34 " + std::to_string(length) + "\n";
    }
    for (const std::string& each : now.prefixes) {
      const std::string name = percent_encode(each.substr(directory.size()), "/");
      text += "<a href=\"" + name + "\">" + name + "</a> 01-May-2024 12:34 -\n";
    }
    return text + "</pre></body></html>";
  }
};

} // namespace forebay::origin::testing
