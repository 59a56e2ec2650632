# Fits of many combinations of options by lavaan: estimates, standard errors, standardized solution, fit measures.
# reference.json holds, for each case, data, syntax, function and options beside the results. hs.csv is holzinger1939 with made columns
# (w: weights, cl: clusters, bin: x9 with noise, cut; o1-o9: x1-x9 cut at their 25, 60 and 85 % quantiles); hm.csv has 12 % of x1-x9 removed. Rscript run.R
suppressMessages({library(lavaan); library(jsonlite)}); options(warn = -1)
known <- fromJSON("reference.json", simplifyVector = FALSE)
for (name in names(known$cases)) {
  k <- known$cases[[name]]
  data <- if (k$data == "pd") PoliticalDemocracy else read.csv(paste0(k$data, ".csv"))
  options <- lapply(k$options, function(x) if (is.list(x)) unlist(x) else x)
  call <- function(...) do.call(k$fun, c(list(k$syntax, data = data, ...), options))
  fit <- tryCatch(call(control = list(rel.tol = 1e-13, iter.max = 5000, eval.max = 10000)), error = function(e) e)
  if (inherits(fit, "error") || !lavInspect(fit, "converged")) fit <- call()
  result <- list(est = parameterEstimates(fit), std = standardizedSolution(fit), fit = as.list(fitMeasures(fit)), gradient = max(abs(lavInspect(fit, "optim.gradient"))))
  write_json(result, paste0(name, ".out.json"), digits = NA, auto_unbox = TRUE, na = "null")
}
