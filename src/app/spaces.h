// From the configuration to namespaces with their sources.
#pragma once

#include <memory>

#include "app/config.h"
#include "base/result.h"
#include "space/space.h"
#include "storage/disk/segment_store.h"

namespace forebay::app {

/// The map of a configuration. With a disk tier the namespaces have the numbers that it knows them by, and their quotas
/// are in force there from now on. Sources with equal URLs and credentials share their limits and breakers with those
/// of an earlier map (origin/factory.h), so a reload forgets nothing about an origin.
result<std::shared_ptr<const space::space_map>> make_spaces(const config& effective,
                                                            storage::disk::segment_store* disk);

} // namespace forebay::app
