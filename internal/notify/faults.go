package notify

import "error-check-gate/internal/option"

// Faults returns everything that is wrong with options that come from settings and can be found
// without contacting anybody. It includes a mail server that nobody gets mail from, which [New]
// accepts. The fields of the SMTP options have their own names, such as From.
func (o *Options) Faults() option.Faults {
	faults := o.mailFaults()
	receivers := len(o.To) > 0 || o.SalesRep
	if o.Redirect.Address != "" && len(o.Destinations) > 0 {
		receivers = true // who gets what the destinations would get
	}
	if o.SMTP.Addr != "" && !receivers {
		faults.Add("To", "is not set, and {Addr} is: write who gets the mail, or set {SalesRep}=true")
	}
	return faults
}

// mailFaults returns what is wrong with the mail server, or the receivers of mail if there is none.
func (o *Options) mailFaults() option.Faults {
	if o.SMTP.Addr != "" {
		return o.SMTP.Faults()
	}
	const problem = "is set, and {Addr} is not: write the mail server's host:port there"
	var faults option.Faults
	if len(o.To) > 0 {
		faults.Add("To", problem)
	}
	if o.SalesRep {
		faults.Add("SalesRep", problem)
	}
	if o.Redirect.Address != "" {
		faults.Add("Redirect", problem)
	}
	return faults
}
