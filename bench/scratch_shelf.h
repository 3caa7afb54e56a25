// A real shelf in a directory that goes away with it.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "storage/disk/shelf.h"

namespace forebay::bench {

[[noreturn]] inline void give_up(const error& why) {
  std::fprintf(stderr, "%s\n", why.message().c_str());
  std::exit(1);
}

struct scratch {
  std::string path;
  ~scratch() { std::filesystem::remove_all(path); }
};

inline std::unique_ptr<storage::disk::shelf> open_shelf(const std::string& path,
                                                        const storage::disk::shelf_settings& settings,
                                                        storage::disk::sequence_source& sequence) {
  static storage::disk::kept_versions nothing_kept;
  auto in = storage::disk::open_directory(path);
  if (!in) give_up(in.error());
  auto made = storage::disk::shelf::open(std::move(*in), settings, sequence, {}, nothing_kept);
  if (!made) give_up(made.error());
  return std::move(*made);
}

} // namespace forebay::bench
