package inflow

import "net/url"

// orderPage is where people open an order in InFlow; an id follows.
const orderPage = "https://app.inflowinventory.com/sales-orders/"

// OrderPageURL returns the address of an order in InFlow's own pages.
func OrderPageURL(salesOrderID string) string { return orderPage + url.PathEscape(salesOrderID) }
