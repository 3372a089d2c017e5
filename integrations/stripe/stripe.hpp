// Everything that an app needs to report what Stripe's webhooks tell. START HERE.
//
// Place:     the one header that a webhook's route includes.
// Threads:   see each header.
// Lifetime:  see each header.
// Failure:   see each header.
//
//   auto webhook = stripe::Webhook::start(stripe::Config::from_env(), *tracker);
//   const auto answer = webhook->handle(body, header("Stripe-Signature"));
//   return response(answer.status);
#pragma once

#include <stripe/config.hpp>
#include <stripe/events.hpp>
#include <stripe/fact_store.hpp>
#include <stripe/signature.hpp>
#include <stripe/webhook.hpp>
