// A pool: its target is set, and the engine fills it.
import { expect, open, test } from './console'

test('a new target is shown with its effect, set, and filled', async ({ page }) => {
  await open(page, '/pools')
  await page.getByRole('link', { name: /standard/ }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Pool standard' })).toBeVisible()

  const setTarget = async (change: (before: number) => number) => {
    await page.getByRole('button', { name: 'Set target' }).first().click()
    const dialog = page.getByRole('dialog', { name: 'Target of pool standard' })
    const field = dialog.getByLabel('Databases kept ready')
    const before = Number(await field.inputValue())
    await field.fill(String(change(before)))
    await expect(dialog).toContainText(`${before} → ${change(before)}`)
    await dialog.getByLabel('Reason').fill('journey: another target')
    await dialog.getByRole('button', { name: 'Set target' }).click()
    await expect(dialog).toBeHidden()
    await expect(page.getByText(`of ${change(before)} wanted`)).toBeVisible()
    return before
  }

  const before = await setTarget((target) => target + 2)
  await expect(page.getByRole('listitem').filter({ hasText: 'journey: another target' }).first()).toContainText(`${before} → ${before + 2}`)
  await setTarget(() => before)
})

test('a pool is paused and resumed, each with a reason', async ({ page }) => {
  await open(page, '/pools/standard')
  for (const [name, told] of [['Pause', 'Paused since'], ['Resume', '']]) {
    await page.getByRole('button', { name, exact: true }).first().click()
    const dialog = page.getByRole('dialog', { name: `${name} pool standard?` })
    await dialog.getByLabel('Reason').fill('journey: a pause')
    await dialog.getByRole('button', { name, exact: true }).click()
    await expect(dialog).toBeHidden()
    if (told) await expect(page.getByText(told)).toBeVisible()
    else await expect(page.getByText('Paused since')).toHaveCount(0)
  }
})

test('the chart goes back an hour, a day or a week, and reads as a table', async ({ page }) => {
  await open(page, '/pools/standard')
  await page.getByRole('link', { name: 'week', exact: true }).click()
  await expect(page).toHaveURL('/pools/standard?range=week')
  await expect(page.getByRole('link', { name: 'week', exact: true })).toHaveAttribute('aria-current', 'true')
  await page.getByText('Show as a table').first().click()
  await expect(page.getByRole('columnheader', { name: 'Available' })).toBeVisible()
})
