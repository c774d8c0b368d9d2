// Package ingress takes InFlow's webhooks and commits them to Temporal.
//
// A delivery travels like this. Package edge finds the real address of the sender. takeWebhook
// limits and reads the body, verifies the signature over the raw bytes, and only then parses the
// body. It passes deliveries for sales orders to the committer, which keeps a queue for each order.
// Deliveries that arrive while a call for their order is in flight wait in the queue and share the
// next call, and calls for the same order are spaced out. When many orders are waiting, the next
// call commits them as one batch. A batch of one order is a signal to the order's workflow. A batch
// of several orders starts the workflow HandOverDeliveries, which signals each order's workflow.
// The ingress answers 200 once Temporal has committed the call, and never before.
package ingress
