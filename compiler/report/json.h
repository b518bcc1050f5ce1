/* Pieces of the JSON objects of reports. Inside of compiler/report only. */
#ifndef NCC_REPORT_JSON_H
#define NCC_REPORT_JSON_H

#include "compiler/report/report.h"

#include <cjson/cJSON.h>

/* Adds the member "layers". */
void ncc_report_json_layers(cJSON *root, const struct report *r);

#endif
