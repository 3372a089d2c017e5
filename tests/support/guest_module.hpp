// The plain C interface of guest_module, for dlsym().
#pragma once

extern "C" {

struct GuestSettings {
  const char* api_url;
  const char* outbox;
  int release;  // a descriptor: the network hangs until its other end is closed; -1 for the real
                // network
  int gone;     // a descriptor that is written to when the hanging network is destroyed
};

#define POSTBOX_GUEST __attribute__((visibility("default")))

POSTBOX_GUEST bool guest_start(const GuestSettings* settings);
POSTBOX_GUEST bool guest_buy(const char* order_id);  // returns when it is on disk
POSTBOX_GUEST bool guest_flush();
POSTBOX_GUEST bool guest_stop(int milliseconds);  // false when a worker hung
}
