// Package inflow talks to InFlow Inventory's Cloud API. It has the API's types, a client, and
// functions to verify, read and send InFlow's webhooks.
//
// An order comes in through [Client.SalesOrder] (client.go). decode.go turns the answer's JSON
// into a [SalesOrder] (salesorder.go and related.go), whose numbers, dates and texts have the
// types in scalar.go.
package inflow
