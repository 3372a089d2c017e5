#!/usr/bin/env bash
# Install the package into an empty folder, build a shop against it, by CMake and by pkg-config, run
# it. Compile the shop with the source as a part of its own.
# Usage: run.sh BUILD_DIR COMPILER
set -euo pipefail
build=$(cd "$1" && pwd)
compiler=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/prefix" >"$work/log" || { cat "$work/log"; exit 1; }

# Through a file: grep -q ends at its find, and a program that is still writing would fail.
"$work/prefix/bin/postbox" schema "Placed Order" >"$work/schema"
grep -q '"title": "Placed Order"' "$work/schema"

# With what the host brings by itself out of reach: only those who ask for it by name need it.
cmake -S "$here" -B "$work/cmake" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" \
      -DCMAKE_DISABLE_FIND_PACKAGE_spdlog=ON -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON \
      -DCMAKE_DISABLE_FIND_PACKAGE_prometheus-cpp=ON \
      -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/log" || { cat "$work/log"; exit 1; }
cmake --build "$work/cmake"
"$work/cmake/shop"
"$work/cmake/shop_test"
"$work/cmake/webhooks"

cmake -S "$here/with_libraries" -B "$work/with" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" \
      -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/log" || { cat "$work/log"; exit 1; }
cmake --build "$work/with"
"$work/with/logging"
"$work/with/metrics"
"$work/with/orders"
"$work/with/database"
"$work/with/told"
"$work/with/servers"
for library in spdlog nlohmann_json prometheus-cpp; do
  if cmake -S "$here/with_libraries" -B "$work/without_$library" -G Ninja \
           -DCMAKE_CXX_COMPILER="$compiler" "-DCMAKE_DISABLE_FIND_PACKAGE_$library=ON" \
           -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/log" 2>&1; then
    echo "the components were found without $library" >&2
    exit 1
  fi
  grep -q "$library" "$work/log" || { cat "$work/log"; exit 1; }
done

PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name postbox.pc)")
export PKG_CONFIG_PATH
# shellcheck disable=SC2046  # the flags are words
"$compiler" -std=c++20 "$here/main.cpp" -o "$work/shop" $(pkg-config --cflags --libs postbox)
"$work/shop"
# shellcheck disable=SC2046
"$compiler" -std=c++20 "$here/webhooks.cpp" -o "$work/webhooks" \
  $(pkg-config --cflags --libs postbox-stripe)
"$work/webhooks"
# shellcheck disable=SC2046
"$compiler" -std=c++20 "$here/with_libraries/logging.cpp" -o "$work/logging" \
  $(pkg-config --cflags --libs postbox-spdlog)
"$work/logging"
# shellcheck disable=SC2046
"$compiler" -std=c++20 "$here/with_libraries/metrics.cpp" -o "$work/metrics" \
  $(pkg-config --cflags --libs postbox-prometheus)
"$work/metrics"
# shellcheck disable=SC2046
"$compiler" -std=c++20 "$here/with_libraries/orders.cpp" -o "$work/orders" \
  $(pkg-config --cflags --libs postbox-klaviyo-json)
"$work/orders"

# shellcheck disable=SC2046
"$compiler" -std=c++20 "$here/with_libraries/database.cpp" -o "$work/database" \
  $(pkg-config --cflags --libs postbox-postgres)
"$work/database"
# shellcheck disable=SC2046
"$compiler" -std=c++20 "$here/with_libraries/told.cpp" -o "$work/told" \
  $(pkg-config --cflags --libs postbox-klaviyo-postgres)
"$work/told"
# shellcheck disable=SC2046
"$compiler" -std=c++20 "$here/with_libraries/servers.cpp" -o "$work/servers" \
  $(pkg-config --cflags --libs postbox-stripe-postgres)
"$work/servers"

# The installed program needs curl, SQLite and OpenSSL, and no library beyond what those bring.
readelf -d "$work/cmake/shop" | grep NEEDED
for program in shop webhooks; do
  if readelf -d "$work/cmake/$program" | grep -E 'spdlog|fmt|httplib|gtest|prometheus|libpq'; then
    echo "the program links a library that it does not need" >&2
    exit 1
  fi
done
if nm -C "$work/with/database" | grep ' stripe::'; then
  echo "the outbox on PostgreSQL brings Stripe's webhooks" >&2
  exit 1
fi

# As a subdirectory: the targets and their headers. Its sources are compiled often enough elsewhere.
mkdir "$work/source"
cp "$here"/*.cpp "$here"/with_libraries/*.cpp "$work/source"
ln -s "$(cd "$here/../.." && pwd)" "$work/source/postbox"
sed 's/^find_package(postbox .*/add_subdirectory(postbox)/' "$here/CMakeLists.txt" \
  >"$work/source/CMakeLists.txt"
sed -n '/^add_executable\|^target/p' "$here/with_libraries/CMakeLists.txt" >>"$work/source/CMakeLists.txt"
cmake -S "$work/source" -B "$work/inside" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" \
      -DPOSTBOX_POSTGRES=ON >"$work/log" ||
  { cat "$work/log"; exit 1; }
for program in shop/main shop_test/test webhooks/webhooks logging/logging metrics/metrics orders/orders servers/servers; do
  cmake --build "$work/inside" --target "CMakeFiles/${program%/*}.dir/${program#*/}.cpp.o"
done
if ninja -C "$work/inside" -t targets all | grep -E '_tests|_bench|klaviyo-sim'; then
  echo "the shop builds what only the project's own development needs" >&2
  exit 1
fi
