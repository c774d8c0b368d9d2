package oracle

import "strings"

func usable(a *address) bool {
	return a != nil && strings.TrimSpace(a.Address1) != "" &&
		strings.TrimSpace(a.City)+strings.TrimSpace(a.PostalCode) != ""
}

func (v *verdict) people() {
	o := v.o
	done := o.InventoryStatus == "Fulfilled"
	if o.ShowShipping && !usable(o.ShippingAddress) &&
		!(o.SameBillingAndShipping && usable(o.BillingAddress)) {
		shipped, fetched := false, false
		for _, s := range o.ShipLines {
			if strings.Contains(strings.ToLower(s.Carrier), "pick-up") {
				fetched = true
			} else if !s.ShippedDate.IsZero() || done {
				shipped = true
			}
		}
		if shipped || fetched || done {
			v.out = append(v.out, found{"ship-to-address", 0, "", !shipped})
		}
	}
	owes := o.Balance.rat().Sign() > 0
	if owes && (o.IsInvoiced || o.PaymentTermsID != "") {
		if b := o.BillingAddress; b == nil || strings.TrimSpace(b.Address1+b.City+b.PostalCode) == "" {
			v.onOrder("billing-address", "")
		}
		if strings.TrimSpace(o.ContactName) == "" && strings.TrimSpace(o.Email) == "" {
			v.onOrder("contact", "")
		}
	}
	if owes {
		for _, id := range []string{o.PaymentTermsID, o.SalesRepTeamMemberID, o.LocationID} {
			if id == "" {
				v.onOrder("terms-rep-location", "")
			}
		}
	}
	values := map[string]string{"poNumber": o.PONumber, "custom1": o.CustomFields["custom1"]}
	for _, field := range requiredFields {
		if strings.TrimSpace(values[field]) == "" {
			v.onOrder("required-fields", "")
		}
	}
	if o.CustomerID == "" && o.Customer == nil {
		v.onOrder("customer-and-lines", "")
	}
	if len(o.Lines) == 0 {
		v.onOrder("customer-and-lines", "")
	}
}
