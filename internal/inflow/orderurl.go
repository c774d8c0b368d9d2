package inflow

import "net/url"

// OrderPageURL returns the URL at which people open an order in InFlow.
func OrderPageURL(salesOrderID string) string {
	return "https://app.inflowinventory.com/sales-orders/" + url.PathEscape(salesOrderID)
}
