/* The right class of each sample, from a file. */
#ifndef NCC_DATA_LABELS_H
#define NCC_DATA_LABELS_H

#include "compiler/data/dataset.h"

/* Reads `path` and fills label[set->n] with classes from 0, -1 where a sample has none. Three forms:
 * - lines "sample,class" or "sample,n_classes,class": the last field is the class, the first the sample's file or
 *   stem, in any order; a first line whose class is not a number is a heading;
 * - lines with a class only, in the order of the samples;
 * - an .npy array of one class per sample, in their order.
 * Returns how many samples have a label. 0: none, and an error was reported. */
int ncc_data_labels(const char *path, const struct dataset *set, int *label, struct arena *a, struct diags *d);

#endif
